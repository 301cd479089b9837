"""What both trainings share: seeding, the learning rate, checkpoints, the timed loop."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

CLIP_NORM = 1.0
SAVE_EVERY_SECONDS = 120


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


class Run:
    """One training that can be stopped at any step and resumed from its checkpoint."""

    def __init__(
        self,
        name: str,
        folder: Path,
        module: nn.Module,
        lr: float,
        steps: int,
        decay: float = 0.999,
    ) -> None:
        self.name, self.folder, self.module = name, folder, module
        self.lr, self.steps = lr, steps
        self.step = 0
        self.losses: list[float] = []
        self.ema = Ema(module, decay)
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=1e-2
        )
        self._load()

    @property
    def checkpoint(self) -> Path:
        """The file that holds everything needed to go on."""
        return self.folder / f"{self.name}.pt"

    def _load(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.ema.shadow.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.losses = state["step"], state["losses"]

    def save(self) -> None:
        """Write the checkpoint; a crash half-way leaves the former one."""
        state = {
            "module": self.module.state_dict(),
            "ema": self.ema.shadow.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "losses": self.losses,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def go(self, minutes: float, loss_of: Callable[[int, torch.Generator], Any]) -> None:
        """Train until the last step or until the minutes are over, whichever is first."""
        started = saved = time.monotonic()
        with tqdm(total=self.steps, initial=self.step, desc=self.name, mininterval=10) as bar:
            while self.step < self.steps and time.monotonic() - started < minutes * 60:
                self._one_step(loss_of)
                bar.update()
                bar.set_postfix(loss=f"{sum(self.losses[-100:]) / len(self.losses[-100:]):.4f}")
                if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self.save()
                    saved = time.monotonic()
        self.save()

    def _one_step(self, loss_of: Callable[[int, torch.Generator], Any]) -> None:
        generator = torch.Generator().manual_seed(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * schedule(self.step, self.steps)
        loss = loss_of(self.step, generator)
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(self.module, self.step)
        self.losses.append(loss.item())
        self.step += 1


def schedule(step: int, steps: int, warmup: int = 100, floor: float = 0.03) -> float:
    """The learning rate as a fraction of its peak: a linear warm-up, then a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
