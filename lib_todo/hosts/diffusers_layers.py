"""Which attention layers of diffusers take pooled tokens: a sign that looks, and imports nothing.

Pooled tokens are handed over as context, and the layer's processor decides what that means. So only
layers whose code is diffusers' own are pooled: it computes the keys from what it is given.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from ..interception import signs
from ..reasons import Reason

_ATTENTION = "diffusers.models.attention_processor"
# by exact class: a subclass may do anything
_PROCESSORS = (
    "AttnProcessor AttnProcessor2_0 SlicedAttnProcessor XFormersAttnProcessor "
    "AttnProcessorNPU XLAFlashAttnProcessor2_0"
).split()
# hooks of diffusers' registry that only move or cast weights
_MOVING_HOOKS = {"GroupOffloadingHook", "LazyPrefetchGroupOffloadingHook", "LayerwiseCastingHook"}


def register() -> None:
    """Have diffusers' layers looked at; doing it again does nothing."""
    # what every attention of diffusers has, and nobody else's
    signs.register("residual_connection", other_code)


def other_code(layer: Any) -> Reason | None:
    """Code in place of diffusers' own: the layer's, the processor's, the class's, a hook's."""
    on_layer = vars(layer)
    if "forward" in on_layer and (reason := _forward_replaced(layer, on_layer)):
        return reason
    parts = on_layer["_modules"]
    processor: Any = on_layer.get("processor") or parts.get("processor")
    cls: Any = type(processor)
    own = processor.__dict__
    # by their names: in a graph, PyTorch 2.11 cannot tell whether a __dict__ is empty
    marked = "__call__" in own or "_tome_info" in own or "accepts_downsampled_keys" in own
    is_stock = cls.__module__ == _ATTENTION and cls.__qualname__ in _PROCESSORS
    computes_keys = is_stock and not marked and _is_own_code(cls.__call__)
    # or its author says that it computes keys from the context that it is given
    if not computes_keys and getattr(processor, "accepts_downsampled_keys", None) is not True:
        if "_tome_info" in own:
            # SD.Next's own ToDo marks the processor; pooling twice would be wrong
            return Reason.OTHER_REDUCTION
        is_fused = (cls.__module__, cls.__qualname__) == (_ATTENTION, "FusedAttnProcessor2_0")
        return Reason.FUSED_PROJECTIONS if is_fused else Reason.OTHER_PROCESSOR
    if not _is_own_code(type(layer).forward):
        return Reason.FORWARD_REPLACED
    # a forward hook on the values may count on as many as ever
    values = parts.get("to_v")
    return Reason.HOOKED if values is not None and values._forward_hooks else None


@functools.lru_cache(maxsize=256)
def _is_own_code(function: Any) -> bool:
    """Whether a function was written in diffusers' module, by the file that its code names."""
    code = getattr(function, "__code__", None)
    own = getattr(sys.modules[_ATTENTION], "__file__", None)
    return code is not None and code.co_filename == own


def _forward_replaced(layer: Any, own: dict[str, Any]) -> Reason | None:
    """A `forward` set on this very layer, unless it only moves or casts weights.

    SD.Next's HyperTile keeps the original beside it while it is on. When it ends, it sets the
    class's own on the layer, for good.
    """
    if "_original_forward" in own:
        return Reason.HYPERTILE
    # accelerate's hooks keep the original
    forward = own.get("_old_forward") if "_hf_hook" in own else own["forward"]
    if getattr(forward, "__func__", None) is type(layer).forward:
        return None
    hooks = getattr(own.get("_diffusers_hook"), "hooks", {}).values()
    moving = hooks and all(type(hook).__name__ in _MOVING_HOOKS for hook in hooks)
    return None if moving else Reason.FORWARD_REPLACED
