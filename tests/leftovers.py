"""Everything that an interception could leave behind: on classes, modules and their hooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from ldm.modules.attention import (
    BasicTransformerBlock,
    CrossAttention,
    MemoryEfficientCrossAttention,
    SpatialTransformer,
)
from torch import nn

CLASSES = (
    SpatialTransformer,
    CrossAttention,
    MemoryEfficientCrossAttention,
    BasicTransformerBlock,
    nn.Module,
)


def state(model: nn.Module) -> list[dict[str, Any]]:
    """Everything that could carry a leftover: classes, modules, their hooks, global hooks."""
    found = [dict(vars(cls)) for cls in CLASSES]
    for module in model.modules():
        found.append({**vars(module), **{k: dict(v) for k, v in hooks(vars(module))}})
    return [*found, dict(hooks(vars(torch.nn.modules.module)))]


def hooks(attributes: dict[str, Any]) -> Iterator[tuple[str, dict]]:
    return ((k, dict(v)) for k, v in attributes.items() if "hook" in k and isinstance(v, dict))
