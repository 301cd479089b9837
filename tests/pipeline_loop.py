"""A minimal loop of a diffusers pipeline: timesteps, callbacks, counts."""

from __future__ import annotations

from typing import Any

import diffusers_models as models
import torch
from self_attention import keys_computed, self_attentions


class Loop:
    """The loop of a pipeline that never asks for `tensor_inputs`, as AnimateDiff's and LCM's."""

    def __init__(self, unet: Any, scheduler: Any, steps: int = 4) -> None:
        self.unet, self.scheduler, self.steps = unet, scheduler, steps

    def __call__(
        self, callback: Any = None, stop_after: int | None = None, set_anew: bool = True
    ) -> list[int]:
        """The keys of the first layer, one number for each evaluation."""
        text = torch.randn(2, 5, models.TEXT_WIDTH)
        if set_anew:
            self.scheduler.set_timesteps(self.steps)
        self.num_timesteps = len(self.scheduler.timesteps)
        with keys_computed(self.unet) as seen:
            for i, t in enumerate(self.scheduler.timesteps):
                self.unet(torch.randn(2, 4, 16, 12), t, text)
                if callback is not None:
                    callback(self, i, t, {})
                if i == stop_after:
                    break
        return [keys for _, keys in seen[:: len(self_attentions(self.unet))]]
