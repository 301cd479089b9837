"""This machine's rates for the hint; on a GPU measured once, before the first picture with ToDo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ....cost.machine import Machine, default_file
from ....cost.rates import fused_attention

# where hosts keep the class whose `forward` their attention optimisation replaces
ATTENTIONS = (
    "backend.nn.unet",
    "ldm_patched.ldm.modules.attention",
    "ldm.modules.attention",
)


def here() -> Machine:
    """The device, precision and attention in use."""
    from modules import devices

    dtype = torch.float32 if devices.device.type == "cpu" else devices.dtype
    kept = file("todo-machine.json") or default_file()
    return Machine(devices.device, dtype, kept, _attend, attention())


def file(name: str) -> Path | None:
    """A file of ours beside the host's settings; None in a host that keeps none."""
    settings = getattr(sys.modules.get("modules.shared"), "config_filename", None)
    return Path(settings).absolute().with_name(name) if settings else None


def measure_now() -> bool:
    """Measure the rates (the button); False while a generation is under way or waits its turn."""
    from modules.call_queue import queue_lock

    if not queue_lock.acquire(blocking=False):
        return False
    try:
        here().measure()
    finally:
        queue_lock.release()
    return True


def attention() -> str:
    """The name of the attention optimisation in use."""
    by_forge = getattr(sys.modules.get("backend.attention"), "attention_function", None)
    forward = by_forge or getattr(_attention_class(), "forward", fused_attention)
    return str(getattr(forward, "__qualname__", forward))


def _attention_class() -> Any:
    classes = (getattr(sys.modules.get(name), "CrossAttention", None) for name in ATTENTIONS)
    return next(filter(None, classes), None)


class _Layer:
    """What the host's attention needs of a layer, without projections."""

    to_q = to_k = to_v = nn.Identity()
    to_out = nn.Sequential(nn.Identity(), nn.Identity())
    attn_precision = None

    def __init__(self, heads: int, dim_head: int) -> None:
        self.heads, self.dim_head, self.scale = heads, dim_head, dim_head**-0.5


def _attend(tokens: torch.Tensor, heads: int) -> Any:
    try:
        return _attention_class().forward(_Layer(heads, tokens.shape[2] // heads), tokens)
    except (AttributeError, TypeError):
        # no such class, or an attention that wants more of its layer
        return fused_attention(tokens, heads)
