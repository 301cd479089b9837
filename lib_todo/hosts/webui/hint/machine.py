"""This machine's rates for the hint; on a GPU measured once, before the first picture with ToDo."""

from __future__ import annotations

import sys
import types
from typing import Any

import torch
from torch import nn

from ....cost.rates import Machine, fused_attention
from .. import host

# where hosts keep the class whose `forward` their attention optimisation replaces
ATTENTIONS = ("backend.nn.unet", "ldm_patched.ldm.modules.attention", "ldm.modules.attention")


def here() -> Machine:
    """The device, precision and attention in use."""
    from modules import devices

    dtype = torch.float32 if devices.device.type == "cpu" else devices.dtype
    kept = host.own_file("todo-machine.json")
    return Machine(devices.device, dtype, kept, _attend, attention())


def attention() -> str:
    """The name of the attention optimisation in use."""
    by_forge = getattr(sys.modules.get("backend.attention"), "attention_function", None)
    forward = by_forge or getattr(_attention_class(), "forward", fused_attention)
    return str(getattr(forward, "__qualname__", forward))


def _attention_class() -> Any:
    classes = (getattr(sys.modules.get(name), "CrossAttention", None) for name in ATTENTIONS)
    return next(filter(None, classes), None)


def _attend(tokens: torch.Tensor, heads: int) -> Any:
    width, same = tokens.shape[2] // heads, nn.Identity()
    # what the host's attention needs of a layer, without projections
    layer = types.SimpleNamespace(heads=heads, dim_head=width, scale=width**-0.5)
    layer.to_q = layer.to_k = layer.to_v = same
    layer.to_out, layer.attn_precision = nn.Sequential(same, same), None
    try:
        return _attention_class().forward(layer, tokens)
    except (AttributeError, TypeError):
        # no such class, or an attention that wants more of its layer
        return fused_attention(tokens, heads)
