"""How tests compile a U-Net with torch.compile, and what they compare."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def whole(model: nn.Module, **options: Any) -> Any:
    return torch.compile(model, **options)


def in_place(model: nn.Module, **options: Any) -> nn.Module:
    model.compile(**options)
    return model


def by_blocks(model: nn.Module, **options: Any) -> nn.Module:
    model.compile_repeated_blocks(**options)
    return model
