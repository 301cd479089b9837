"""Which classes of which program carry the U-Net's self-attention, and how they are called."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator

LDM_PARAMETERS = ("x", "context", "mask")
SGM_PARAMETERS = (*LDM_PARAMETERS, "additional_tokens", "n_times_crossframe_attn_in_self")
COMFY_PARAMETERS = ("x", "context", "value", "mask", "transformer_options")
DIFFUSERS_PARAMETERS = ("hidden_states", "encoder_hidden_states", "attention_mask")

# the second class is for xformers; AUTOMATIC1111 makes it an alias of the first
LDM_ATTENTIONS = ("CrossAttention", "MemoryEfficientCrossAttention")


@dataclasses.dataclass(frozen=True)
class Family:
    """A pair of classes: the spatial transformer that gets `[b, c, h, w]`, and its attention.

    `parameters` are the names of the attention's arguments in order: the tokens first, then the
    context that keys and values are computed from. Where one of `must_be_unset` is given, keys are
    not simply the context's, and the call is left alone.
    """

    name: str
    transformer_module: str
    transformer: str
    attention_module: str
    attentions: tuple[str, ...]
    parameters: tuple[str, ...]
    must_be_unset: tuple[str, ...] = ("mask",)

    def transformer_classes(self) -> Iterator[type]:
        return _classes(self.transformer_module, (self.transformer,))

    def attention_classes(self) -> Iterator[type]:
        return _classes(self.attention_module, self.attentions)


def _classes(module_name: str, names: tuple[str, ...]) -> Iterator[type]:
    """The classes of that module, each once; none where nobody has imported it."""
    module = sys.modules.get(module_name)
    found = {getattr(module, name, None): None for name in names}
    return (cls for cls in found if isinstance(cls, type))


def _one_module(name: str, module: str, **rest) -> Family:
    return Family(name, module, "SpatialTransformer", module, **rest)


FAMILIES = (
    _one_module(
        "ldm", "ldm.modules.attention", attentions=LDM_ATTENTIONS, parameters=LDM_PARAMETERS
    ),
    _one_module(
        "sgm",
        "sgm.modules.attention",
        attentions=LDM_ATTENTIONS,
        parameters=SGM_PARAMETERS,
        must_be_unset=("mask", "additional_tokens", "n_times_crossframe_attn_in_self"),
    ),
    _one_module(
        "forge", "backend.nn.unet", attentions=("CrossAttention",), parameters=COMFY_PARAMETERS
    ),
    _one_module(
        "ldm_patched",
        "ldm_patched.ldm.modules.attention",
        attentions=("CrossAttention",),
        parameters=COMFY_PARAMETERS,
    ),
    _one_module(
        "comfy",
        "comfy.ldm.modules.attention",
        attentions=("CrossAttention",),
        parameters=COMFY_PARAMETERS,
    ),
    Family(
        "diffusers",
        "diffusers.models.transformers.transformer_2d",
        "Transformer2DModel",
        "diffusers.models.attention_processor",
        attentions=("Attention",),
        parameters=DIFFUSERS_PARAMETERS,
        must_be_unset=("attention_mask",),
    ),
)
