"""diffusers' schedulers: which sampler runs, over which timesteps, and when a sampling begins."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .clock import Schedule

_MODULES = "diffusers.schedulers.scheduling_"
# whose tensors tell where they lie in memory; DirectML's and XLA's do not
_WITH_ADDRESSES = {"cpu", "cuda", "xpu", "mps"}


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
    numbers = timesteps_of(scheduler)
    # of each run of equal timesteps
    first = [at for at, number in enumerate(numbers) if not at or number != numbers[at - 1]]
    steps: Any = getattr(scheduler, "num_inference_steps", None)
    a_step = max(1, round(len(first) / steps)) if isinstance(steps, int) and steps > 0 else 1
    located = numbers and scheduler.timesteps.device.type in _WITH_ADDRESSES
    levels = levels_of(scheduler, numbers)
    return Schedule(
        name_of(scheduler),
        tuple(numbers[at] for at in first),
        a_step,
        TakenTimesteps(scheduler.timesteps, numbers) if located else None,
        (*(levels[at] for at in first[::a_step]), levels[-1]) if levels else (),
    )


def name_of(scheduler: Any) -> str:
    """The scheduler's class, and the algorithm where its configuration makes it one with noise."""
    name = type(scheduler).__name__
    algorithm = getattr(getattr(scheduler, "config", None), "algorithm_type", None) or ""
    return f"{name} ({algorithm})" if algorithm.startswith("sde") else name


class TakenTimesteps:
    """The numbers of a scheduler's timesteps, by where the tensors of single ones lie in memory.

    A pipeline calls the model with `timesteps[i]`. Reading that from a GPU would wait for all that
    the GPU has to do, at every call, while Python could launch the next step.

    `timesteps` is the scheduler's tensor `[n]`, and `numbers` what was in it when it was set.
    """

    def __init__(self, timesteps: torch.Tensor, numbers: Sequence[float]) -> None:
        self._timesteps = timesteps
        self._numbers = numbers
        self._version = _version(timesteps)

    def __call__(self, timestep: Any) -> float | None:
        """The number of a timestep that is a view of the scheduler's; None where it is not one."""
        whole = self._timesteps
        is_view = (
            type(timestep) is type(whole)
            and timestep.numel() == 1
            and (timestep.device, timestep.dtype) == (whole.device, whole.dtype)
            and timestep.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
        )
        if not is_view or _version(whole) != self._version:
            return None
        # a tensor of one may have any stride
        place, rest = divmod(
            timestep.storage_offset() - whole.storage_offset(), whole.stride(0) or 1
        )
        return self._numbers[place] if rest == 0 and 0 <= place < len(self._numbers) else None


def _version(tensor: torch.Tensor) -> int | None:
    """How often the tensor was changed in place; None where that is not tracked."""
    return None if tensor.is_inference() else tensor._version


def timesteps_of(scheduler: Any) -> Sequence[float]:
    """A scheduler's timesteps as plain numbers; empty if it has no list of them."""
    timesteps = getattr(scheduler, "timesteps", None)
    if not isinstance(timesteps, torch.Tensor) or timesteps.ndim != 1 or timesteps.is_meta:
        return ()
    return [float(value) for value in timesteps.tolist()]


def levels_of(scheduler: Any, timesteps: Sequence[float]) -> Sequence[float]:
    """The noise levels of a scheduler's timesteps and the one after; empty if it tells none."""
    if not timesteps:
        return ()
    sigmas = getattr(scheduler, "sigmas", None)
    if isinstance(sigmas, torch.Tensor) and sigmas.shape == (len(timesteps) + 1,):
        return tuple(sigmas.tolist())
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
