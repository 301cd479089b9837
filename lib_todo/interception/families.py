"""The table of families: each program's classes with self-attention, and how they are called."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import sys
from collections.abc import Iterator

LDM_PARAMETERS = ("x", "context", "mask")
SGM_PARAMETERS = (*LDM_PARAMETERS, "additional_tokens", "n_times_crossframe_attn_in_self")
COMFY_PARAMETERS = ("x", "context", "value", "mask", "transformer_options")
DIFFUSERS_PARAMETERS = ("hidden_states", "encoder_hidden_states", "attention_mask")

# the second class is for xformers; AUTOMATIC1111 makes it an alias of the first
LDM_ATTENTIONS = ("CrossAttention", "MemoryEfficientCrossAttention")


# a class: its module and its name
Place = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Family:
    """The classes of one program.

    Attributes:
        name: what the program is called here.
        models: whole models: the U-Net, and ControlNet's where that is another class. Their first
            two arguments are the noisy latents and the timestep.
        timestep: the name of that second argument.
        transformers: the spatial transformers in them, which get `[b, c, h, w]`.
        attentions: the attention in those.
        parameters: the names of the attention's arguments in order: the tokens, then the context
            from which keys and values are computed.
        must_be_unset: arguments with which keys depend on more than the context; a call with one
            of them is left alone.
    """

    name: str
    models: tuple[Place, ...]
    timestep: str
    transformers: tuple[Place, ...]
    attentions: tuple[Place, ...]
    parameters: tuple[str, ...]
    must_be_unset: tuple[str, ...] = ("mask",)

    def model_classes(self) -> Iterator[type]:
        """The classes of whole models that are imported."""
        return _classes(self.models)

    def transformer_classes(self) -> Iterator[type]:
        """The classes of spatial transformers that are imported."""
        return _classes(self.transformers)

    def attention_classes(self) -> Iterator[type]:
        """The classes of attention layers that are imported."""
        return _classes(self.attentions)


def _classes(places: tuple[Place, ...]) -> Iterator[type]:
    """The classes at those places, each once; only of modules that are imported."""
    found = {getattr(sys.modules.get(module), name, None): None for module, name in places}
    return (cls for cls in found if isinstance(cls, type))


def _ldm_like(
    name: str,
    model: Place,
    module: str,
    attentions: tuple[str, ...] = ("CrossAttention",),
    parameters: tuple[str, ...] = COMFY_PARAMETERS,
    **rest: tuple[str, ...],
) -> Family:
    return Family(
        name,
        models=(model,),
        timestep="timesteps",
        transformers=((module, "SpatialTransformer"),),
        attentions=tuple((module, attention) for attention in attentions),
        parameters=parameters,
        **rest,
    )


def _diffusers_models() -> tuple[Place, ...]:
    unets, controlnets = "diffusers.models.unets", "diffusers.models.controlnets"
    return (
        (f"{unets}.unet_2d_condition", "UNet2DConditionModel"),
        (f"{unets}.unet_motion_model", "UNetMotionModel"),
        (f"{unets}.unet_spatio_temporal_condition", "UNetSpatioTemporalConditionModel"),
        (f"{unets}.unet_3d_condition", "UNet3DConditionModel"),
        (f"{controlnets}.controlnet", "ControlNetModel"),
        (f"{controlnets}.controlnet_union", "ControlNetUnionModel"),
        (f"{controlnets}.controlnet_xs", "UNetControlNetXSModel"),
    )


FAMILIES = (
    _ldm_like(
        "ldm",
        ("ldm.modules.diffusionmodules.openaimodel", "UNetModel"),
        "ldm.modules.attention",
        LDM_ATTENTIONS,
        LDM_PARAMETERS,
    ),
    _ldm_like(
        "sgm",
        ("sgm.modules.diffusionmodules.openaimodel", "UNetModel"),
        "sgm.modules.attention",
        LDM_ATTENTIONS,
        SGM_PARAMETERS,
        must_be_unset=("mask", "additional_tokens", "n_times_crossframe_attn_in_self"),
    ),
    _ldm_like("forge", ("backend.nn.unet", "IntegratedUNet2DConditionModel"), "backend.nn.unet"),
    _ldm_like(
        "ldm_patched",
        ("ldm_patched.ldm.modules.diffusionmodules.openaimodel", "UNetModel"),
        "ldm_patched.ldm.modules.attention",
    ),
    _ldm_like(
        "comfy",
        ("comfy.ldm.modules.diffusionmodules.openaimodel", "UNetModel"),
        "comfy.ldm.modules.attention",
    ),
    Family(
        "diffusers",
        models=_diffusers_models(),
        timestep="timestep",
        transformers=(
            ("diffusers.models.transformers.transformer_2d", "Transformer2DModel"),
            (
                "diffusers.models.transformers.transformer_temporal",
                "TransformerSpatioTemporalModel",
            ),
        ),
        attentions=(("diffusers.models.attention_processor", "Attention"),),
        parameters=DIFFUSERS_PARAMETERS,
        must_be_unset=("attention_mask",),
    ),
)


def model_classes() -> tuple[type, ...]:
    """The classes of whole models of all programs that are imported."""
    return tuple(cls for family in FAMILIES for cls in family.model_classes())


def import_what_loads_later() -> None:
    """Import classes that a program itself imports only when it loads a model.

    `import diffusers` imports no models, so one loaded inside the `with` would be missed.
    """
    if "diffusers" in sys.modules:
        for place in (
            *_diffusers_models()[:1],
            *FAMILIES[-1].transformers,
            *FAMILIES[-1].attentions,
        ):
            with contextlib.suppress(ImportError):
                importlib.import_module(place[0])
