"""An exponential moving average of a module's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Ema:
    """A shadow copy that trails the trained module, quickly at first and slowly later."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.shadow = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Pull the shadow towards the module."""
        decay = min(self.decay, (1 + step) / (10 + step))
        shadow = list(self.shadow.parameters())
        torch._foreach_lerp_(shadow, [p.detach() for p in module.parameters()], 1 - decay)
