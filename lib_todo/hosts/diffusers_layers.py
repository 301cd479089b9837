"""Who else has a diffusers attention layer in use: vetoes that look, and import nothing.

Pooled tokens are handed over as context, and the layer's processor decides what that means. So a
layer is pooled only where its processor is known to compute its keys from what it is given.
"""

from __future__ import annotations

import sys
from typing import Any

from ..interception import vetoes
from ..reasons import Reason

_ATTENTION = "diffusers.models.attention_processor"
# by exact class: a subclass may do anything
_PROCESSORS = {
    (_ATTENTION, name)
    for name in (
        "AttnProcessor",
        "AttnProcessor2_0",
        "SlicedAttnProcessor",
        "XFormersAttnProcessor",
        "AttnProcessorNPU",
        "XLAFlashAttnProcessor2_0",
    )
} | {("diffusers.models.unets.unet_dreamlite", "DreamLiteAttnProcessor2_0")}
# these compute keys with projections of their own where they train them
_TRAINED = {
    (_ATTENTION, f"CustomDiffusion{name}")
    for name in ("AttnProcessor", "AttnProcessor2_0", "XFormersAttnProcessor")
}
# hooks of diffusers' registry that only move or cast weights
_MOVING_HOOKS = {"GroupOffloadingHook", "LazyPrefetchGroupOffloadingHook", "LayerwiseCastingHook"}


def register() -> None:
    """Have every self-attention call asked about; doing it again does nothing."""
    for veto in (another_token_reduction, other_processor, output_hooked, forward_replaced):
        vetoes.register(veto)


def another_token_reduction(layer: Any) -> Reason | None:
    """SD.Next's own ToDo marks the processor; pooling twice would be wrong."""
    marked = "_tome_info" in getattr(_processor(layer), "__dict__", {})
    return Reason.OTHER_REDUCTION if marked else None


def other_processor(layer: Any) -> Reason | None:
    """A processor that may not compute keys from the context it is given.

    Its author can say that it does: the attribute `accepts_downsampled_keys = True`.
    """
    if not _is_attention(layer):
        return None
    processor = _processor(layer)
    declared = getattr(processor, "accepts_downsampled_keys", None)
    if declared is not None:
        return None if declared is True else Reason.OTHER_PROCESSOR
    cls = type(processor)
    place = (cls.__module__, cls.__qualname__)
    if place == (_ATTENTION, "FusedAttnProcessor2_0"):
        return Reason.FUSED
    if "__call__" in getattr(processor, "__dict__", {}):
        return Reason.OTHER_PROCESSOR
    stock = place in _PROCESSORS or (place in _TRAINED and not processor.train_kv)
    return None if stock else Reason.OTHER_PROCESSOR


def output_hooked(layer: Any) -> Reason | None:
    """A forward hook on the values, which then have to be as many as ever.

    What hooks the layer's own output gets as many tokens as without pooling.
    """
    if getattr(layer, "seg_enable", False) is True:
        return Reason.HOOKED
    if not _is_attention(layer):
        return None
    to_v = getattr(layer, "to_v", None)
    return Reason.HOOKED if getattr(to_v, "_forward_hooks", None) else None


def forward_replaced(layer: Any) -> Reason | None:
    """A `forward` set on this very layer, unless it only moves or casts weights.

    SD.Next's HyperTile keeps the original beside it while it is on. When it ends, it sets the
    class's own on the layer, for good.
    """
    if not _is_attention(layer) or "forward" not in vars(layer):
        return None
    if "_original_forward" in vars(layer):
        return Reason.HYPERTILE
    if getattr(vars(layer)["forward"], "__func__", None) is type(layer).forward:
        return None
    if "_hf_hook" in vars(layer):
        kept = getattr(vars(layer).get("_old_forward"), "__func__", None)
        return None if kept is type(layer).forward else Reason.FORWARD_REPLACED
    registry = getattr(layer, "_diffusers_hook", None)
    hooks = getattr(registry, "hooks", {}).values()
    moving = hooks and all(type(hook).__name__ in _MOVING_HOOKS for hook in hooks)
    return None if moving else Reason.FORWARD_REPLACED


def _processor(layer: Any) -> Any:
    return getattr(layer, "processor", None)


def _is_attention(layer: Any) -> bool:
    cls = getattr(sys.modules.get(_ATTENTION), "Attention", None)
    return cls is not None and isinstance(layer, cls)
