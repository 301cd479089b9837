"""diffusers' schedulers: which sampler runs, over which timesteps, and when a sampling begins."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ..clock import Schedule

_MODULES = "diffusers.schedulers.scheduling_"


def scheduler_classes() -> Iterator[type]:
    """diffusers' schedulers that are imported and have a `set_timesteps` of their own.

    Every pipeline calls that once, before its first step.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(_MODULES):
            for cls in list(vars(module).values()):
                is_own = isinstance(cls, type) and cls.__module__ == name
                if is_own and "set_timesteps" in vars(cls):
                    yield cls


def schedule_of(scheduler: Any) -> Schedule:
    """The scheduler's schedule; without timesteps if it has no list of them."""
    steps = getattr(scheduler, "num_inference_steps", None)
    known = steps if isinstance(steps, int) and steps > 0 else None
    return Schedule.of(type(scheduler).__name__, timesteps_of(scheduler), known)


def timesteps_of(scheduler: Any) -> Sequence[float]:
    """A scheduler's timesteps as plain numbers; empty if it has no list of them."""
    timesteps = getattr(scheduler, "timesteps", None)
    if not isinstance(timesteps, torch.Tensor) or timesteps.ndim != 1 or timesteps.is_meta:
        return ()
    return [float(value) for value in timesteps.tolist()]
