"""diffusers' schedulers: which sampler runs, over which timesteps, and when a sampling begins."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

_MODULES = "diffusers.schedulers.scheduling_"
# whose tensors tell where they lie in memory; DirectML's and XLA's do not
_WITH_ADDRESSES = {"cpu", "cuda", "xpu", "mps"}


def _not_known(timestep: Any) -> None:
    return None


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The timesteps that a scheduler was set to.

    `sampler` is the name of the scheduler's class. `places` are its timesteps in their order, each
    run of equal ones (Heun, PNDM) once; empty where they are not known. `a_step` of them, at most,
    are one step of the user's (2 for KDPM2, which looks at a second timestep in each step).
    `number` gives that of a timestep that a pipeline took from the scheduler, see `numbers_of`.
    `sigmas` are the noise levels of these steps, and the one after; empty where they are not known.
    """

    sampler: str
    places: tuple[float, ...] = ()
    a_step: int = 1
    number: Callable[[Any], float | None] = _not_known
    sigmas: tuple[float, ...] = ()


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
        numbers_of(scheduler.timesteps, numbers) if located else _not_known,
        (*(levels[at] for at in first[::a_step]), levels[-1]) if levels else (),
    )


def name_of(scheduler: Any) -> str:
    """The scheduler's class, and the algorithm where its configuration makes it one with noise."""
    name = type(scheduler).__name__
    algorithm = getattr(getattr(scheduler, "config", None), "algorithm_type", None) or ""
    return f"{name} ({algorithm})" if algorithm.startswith("sde") else name


def numbers_of(timesteps: torch.Tensor, numbers: Sequence[float]) -> Callable[[Any], float | None]:
    """What gives the number of a single timestep, by where its tensor lies in memory.

    A pipeline calls the model with `timesteps[i]`. Reading that from a GPU would wait for all that
    the GPU has to do, at every call, while Python could launch the next step.

    Args:
        timesteps: the scheduler's tensor `[n]`; once it is changed in place, nothing is known.
        numbers: what is in it.
    """
    version = _version(timesteps)
    at = {one.data_ptr(): number for one, number in zip(timesteps, numbers)}

    def number(timestep: Any) -> float | None:
        is_single = (
            type(timestep) is type(timesteps)
            and timestep.numel() == 1
            and (timestep.device, timestep.dtype) == (timesteps.device, timesteps.dtype)
        )
        is_same = is_single and _version(timesteps) == version
        return at.get(timestep.data_ptr()) if is_same else None

    return number


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
