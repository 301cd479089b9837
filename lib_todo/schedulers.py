"""diffusers' schedulers: which sampler runs, over which timesteps, and when a sampling begins."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch

# whose tensors tell where they lie in memory; DirectML's and XLA's do not
_WITH_ADDRESSES = {"cpu", "cuda", "xpu", "mps"}


def scheduler_classes() -> Iterator[type]:
    """Those that are imported, diffusers' and others', and have a `set_timesteps` of their own.

    Every pipeline calls that once, before its first step.
    """
    utils = sys.modules.get("diffusers.schedulers.scheduling_utils")
    waiting = [utils.SchedulerMixin] if utils else []
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if "set_timesteps" in vars(cls):
            yield cls


class Schedule:
    """The timesteps that a scheduler was set to.

    Attributes:
        sampler: the scheduler's class; its algorithm if that makes it one that adds noise; and the
            third order of a multistep one, which amplifies what changes.
        places: its timesteps in their order, each run of equal ones (Heun, PNDM) once; empty where
            they are not known.
        a_step: how many places, at most, are one step of the user's (2 for KDPM2, which looks at a
            second timestep in each step).
        sigmas: the noise levels of these steps, and the one after; empty where they are not known.
    """

    def __init__(self, scheduler: Any) -> None:
        self.sampler = type(scheduler).__name__
        config = getattr(scheduler, "config", None)
        algorithm = getattr(config, "algorithm_type", None) or ""
        more = [algorithm] if algorithm.startswith("sde") else []
        if getattr(config, "solver_order", None) == 3 and "Multistep" in self.sampler:
            more.append("3M")
        if more:
            self.sampler += f" ({', '.join(more)})"
        timesteps = getattr(scheduler, "timesteps", None)
        self._timesteps = timesteps if isinstance(timesteps, torch.Tensor) else torch.tensor(())
        numbers: list[float] = []
        if self._timesteps.ndim == 1 and not self._timesteps.is_meta:
            numbers = [float(value) for value in self._timesteps.tolist()]
        # of each run of equal timesteps
        first = [at for at, number in enumerate(numbers) if not at or number != numbers[at - 1]]
        self.places = tuple(numbers[at] for at in first)
        steps = getattr(scheduler, "num_inference_steps", None) or len(first) or 1
        self.a_step = max(1, round(len(first) / steps))
        levels = _levels(scheduler, numbers) if numbers else ()
        own = (levels[at] for at in first[:: self.a_step])
        self.sigmas = (*own, levels[-1]) if levels else ()
        located = numbers and self._timesteps.device.type in _WITH_ADDRESSES
        # by where each lies in memory, which stays taken as long as the tensor is kept here
        rows = zip(self._timesteps, numbers) if located else ()
        self._at = {row.data_ptr(): number for row, number in rows}

    def number(self, timestep: Any) -> float | None:
        """The number of a single timestep that was taken from the scheduler; None of any other.

        A pipeline calls the model with `timesteps[i]`. Reading that from a GPU would wait for all
        that the GPU has to do, at every call, while Python could launch the next step.
        """
        own = self._timesteps
        if not self._at or type(timestep) is not type(own) or timestep.numel() != 1:
            return None
        is_like = (timestep.device, timestep.dtype) == (own.device, own.dtype)
        return self._at.get(timestep.data_ptr()) if is_like else None


def _levels(scheduler: Any, timesteps: Sequence[float]) -> Sequence[float]:
    """The noise levels of a scheduler's timesteps and the one after; empty if it tells none."""
    sigmas = getattr(scheduler, "sigmas", None)
    if isinstance(sigmas, torch.Tensor) and sigmas.shape == (len(timesteps) + 1,):
        return sigmas.tolist()
    # DDIM and its like have none, KDPM2 has others
    products = getattr(scheduler, "alphas_cumprod", None)
    if not isinstance(products, torch.Tensor):
        return ()
    levels = ((1 - products) / products).sqrt().tolist()
    return *(levels[min(max(round(value), 0), len(levels) - 1)] for value in timesteps), 0.0


def as_number(timestep: Any) -> float | None:
    """A timestep as one number, of a batch its largest; None where it is none."""
    if isinstance(timestep, (int, float)):
        return float(timestep)
    # a tensor that a program is being exported with is of another class and has no value
    if type(timestep) is not torch.Tensor or timestep.numel() == 0 or timestep.is_meta:
        return None
    if timestep.is_cuda and torch.cuda.is_current_stream_capturing():
        # a CUDA graph is being recorded, and then nothing may be read back
        return None
    return float(timestep.max() if timestep.numel() > 1 else timestep)
