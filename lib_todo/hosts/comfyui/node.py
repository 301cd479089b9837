"""The node ToDo, the node for its settings, and where ComfyUI finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy_api.latest import ComfyExtension, io

from ...settings import BY_NAME, FIELDS, PRESET, Field, Settings
from ...wording import nothing_pooled
from .node_text import NodeText
from .patch import apply

CATEGORY = "model/patch/unet"
ALIASES = "token downsampling|token merging|speed up|faster|high resolution|hires fix|ToMe"
# what ToDo Settings gives to ToDo
SETTINGS = io.Custom("TODO_SETTINGS")
# not needed: bypassing the node switches it off, and wiring chooses the sampler
WITHOUT_INPUT = ("enabled", "passes")


class ToDo(io.ComfyNode):
    """Token downsampling of a model's self-attention."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        # the default comes first, since a node's preview shows the first choice
        presets = sorted(PRESET.choices, key=lambda name: name != PRESET.default)
        return io.Schema(
            node_id="ToDo",
            display_name="ToDo (Token Downsampling)",
            category=CATEGORY,
            description=(
                "Makes images faster that are larger than the model was trained at, for SD 1.x, "
                "SD 2.x and SDXL: self-attention looks at fewer keys and values. Put it between "
                "the model and the sampler. Bypass it to switch it off. With EasyCache, choose "
                "close. For single settings, connect ToDo Settings to the input Preset."
            ),
            search_aliases=ALIASES.split("|"),
            inputs=[
                io.Model.Input("model", tooltip="An SD 1.x, SD 2.x or SDXL model."),
                _choice(PRESET, presets, SETTINGS),
            ],
            outputs=[
                io.Model.Output(tooltip="The model with ToDo. The input model is not changed.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, preset: Any = PRESET.default) -> bool:
        """Whether there is such a preset, or SettingsError. A link is None, and checked later."""
        return preset is None or bool(Settings.from_preset(preset))

    @classmethod
    def execute(cls, model: Any, preset: Any = PRESET.default) -> io.NodeOutput:
        settings = preset if isinstance(preset, Settings) else Settings.from_preset(preset)
        unet = model.get_model_object("diffusion_model")
        if not isinstance(unet, UNetModel):
            why = "this model has no layers that ToDo can pool; SD 1.x, 2.x and SDXL have"
            NodeText(cls.hidden.unique_id).say(nothing_pooled(why), why)
            return io.NodeOutput(model)
        return io.NodeOutput(apply(model, settings, NodeText(cls.hidden.unique_id)))


class ToDoSettings(io.ComfyNode):
    """All settings of token downsampling, to be used instead of a preset."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToDoSettings",
            display_name="ToDo Settings",
            category=CATEGORY,
            description=(
                "Single settings for ToDo, instead of a preset: connect it to ToDo's input Preset. "
                "The values it begins with are those of the preset balanced."
            ),
            search_aliases=["token downsampling settings", "ToDo advanced"],
            inputs=[_input(field) for field in FIELDS if field.name not in WITHOUT_INPUT],
            outputs=[SETTINGS.Output("settings", tooltip="For ToDo's input Preset.")],
        )

    @classmethod
    def validate_inputs(cls, **values: Any) -> bool:
        """Check all values that are not linked. Raises SettingsError.

        ComfyUI would show a text that is returned at every input, and shows what is raised once.
        """
        cls.execute(**{name: value for name, value in values.items() if value is not None})
        return True

    @classmethod
    def execute(cls, **values: Any) -> io.NodeOutput:
        # numbers may be chosen as texts
        read = {name: BY_NAME[name].read(value) for name, value in values.items()}
        return io.NodeOutput(Settings(**read))


def _input(field: Field) -> io.Input:
    """A setting's input; its default is the preset balanced's."""
    if field.choices:
        return _choice(field, field.choices)
    if field.zero_means == "automatic":
        return _choice(field, field.numbers, io.Float, io.Int)
    kind = io.Int if field.kind is int else io.Float
    return kind.Input(
        field.name,
        display_name=field.label,
        tooltip=field.help,
        optional=True,
        default=field.default,
        min=0 if field.zero_means else field.minimum,
        max=field.maximum,
        step=field.step,
    )


def _choice(field: Field, choices: Sequence[str], *links: Any) -> io.Input:
    """A choice, of the first by default, that takes links from texts and from `links`.

    A plain one of ComfyUI takes none of them.
    """
    combo = io.Combo.Input(
        field.name,
        options=list(choices),
        default=choices[0],
        display_name=field.label,
        tooltip=field.help,
        optional=True,
    )
    return io.MultiType.Input(combo, types=[*links, io.String])


class ToDoExtension(ComfyExtension):
    """The nodes of this folder."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [ToDo, ToDoSettings]


async def comfy_entrypoint() -> ToDoExtension:
    """ComfyUI calls this when it starts."""
    return ToDoExtension()
