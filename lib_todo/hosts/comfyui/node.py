"""The node ToDo: a model goes in, one that is faster at high resolution comes out."""

from __future__ import annotations

from typing import Any

from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy_api.latest import io

from ...cost.architectures import shape_of_unet
from ...settings import SettingsError
from ...wording import nothing_pooled
from .inputs import inputs, settings_of
from .node_text import NodeText
from .patch import apply


class ToDo(io.ComfyNode):
    """Token downsampling of a model's self-attention."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """The node's name, inputs and outputs, for ComfyUI."""
        return io.Schema(
            node_id="ToDo",
            display_name="ToDo (Token Downsampling)",
            category="model/patch/unet",
            description=(
                "Makes images faster that are larger than the model was trained at, for SD 1.x, "
                "SD 2.x and SDXL: self-attention looks at fewer keys and values. Put it between "
                "the model and the sampler. Bypass it to switch it off."
            ),
            search_aliases=[
                "token downsampling",
                "token merging",
                "speed up",
                "faster",
                "high resolution",
                "hires fix",
                "ToMe",
            ],
            inputs=[
                io.Model.Input("model", tooltip="An SD 1.x, SD 2.x or SDXL model."),
                *inputs(),
            ],
            outputs=[
                io.Model.Output(tooltip="The model with ToDo. The input model is not changed.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(
        cls, factor: float = 0, deep_factor: float = 0, start: float = 0, end: float = 1
    ) -> bool | str:
        """Check what bounds of single inputs cannot: gaps in a range, and start against end.

        ComfyUI shows the text at each input that is named here, so only those concerned are.
        """
        try:
            settings_of({"factor": factor, "deep_factor": deep_factor, "start": start, "end": end})
        except SettingsError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, model: Any, **values: Any) -> io.NodeOutput:
        """The model with ToDo. Raises SettingsError."""
        settings = settings_of(values)
        unet = model.get_model_object("diffusion_model")
        if not isinstance(unet, UNetModel):
            why = (
                f"{type(unet).__name__} has no layers that ToDo can pool; SD 1.x, 2.x and SDXL have"
            )
            NodeText(cls.hidden.unique_id, None).say(nothing_pooled(why))
            return io.NodeOutput(model)
        text = NodeText(cls.hidden.unique_id, shape_of_unet(unet))
        return io.NodeOutput(apply(model, settings, text))
