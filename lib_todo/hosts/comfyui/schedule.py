"""The sampler's step that an evaluation belongs to, and the schedule that it is a step of."""

from __future__ import annotations

import functools
import math
import sys
import types
from collections.abc import Sequence
from traceback import walk_stack
from typing import Any

import torch

# relative; samplers recompute sigmas in single precision
TOLERANCE = 1e-4

Levels = tuple[float, ...]


def step_of(sigma: float, sigmas: Sequence[float]) -> int:
    """The last step, from 0, of those whose noise level has been reached at `sigma`.

    The schedule has one level more than steps; it falls, or rises where an image is turned back
    into noise. Before its first level is the first step.
    """
    way = 1 if sigmas[-1] > sigmas[0] else -1
    begun = [way * (sigma - start) >= -TOLERANCE * start for start in sigmas[:-1]]
    return max((step for step, has in enumerate(begun) if has), default=0)


def step_begun() -> float | None:
    """The noise level at which the sampler on the call stack began its present step.

    The level of an evaluation does not tell its step: Heun's method evaluates a step's end, which
    is where the next step begins, and `heunpp2` the end of the next step too. But samplers go
    through their argument `sigmas` in a loop over `i`. None where there is no such loop (UniPC),
    and in other threads than the sampler's.
    """
    for frame, _ in walk_stack(sys._getframe()):
        code = frame.f_code
        if code.co_name == "inner_sample":
            # calls the sampler's function: whatever called it in turn is no sampler
            return None
        if "sigmas" in code.co_varnames[: code.co_argcount]:
            sigmas, i = _local(frame, "sigmas"), _local(frame, "i")
            if _is_schedule(sigmas) and isinstance(i, int) and 0 <= i < len(sigmas):
                return float(sigmas[i])
    return None


def whole_schedule(part: Levels, last: Levels, whole: Levels) -> Levels:
    """The levels of the picture's schedule, as far as they are known when `part` begins.

    KSampler (Advanced) knows all of them. The parts that SplitSigmas and samplers of one step at a
    time hand on tell no more than themselves: one that begins where the last one ended goes on with
    it, and the same part again is another tile's.

    Args:
        last, whole: the part that was sampled last, and its schedule; empty before the first one.
    """
    is_near = functools.partial(math.isclose, part[0], rel_tol=TOLERANCE)
    for frame, _ in walk_stack(sys._getframe()):
        # KSampler.sample, which has the whole schedule in its `sigmas`
        owner = _local(frame, "self") if frame.f_code.co_name == "sample" else None
        levels: Any = getattr(owner, "sigmas", None)
        if _is_schedule(levels):
            known = tuple(levels.tolist())
            if 0 in known:
                # it ends where a part has to leave no noise
                known = known[: known.index(0) + 1]
            if any(map(is_near, known)) and len(known) >= len(part):
                return known
    if last and last[-1] > 0 and is_near(last[-1]):
        return (*whole, *part[1:])
    return whole if part == last else part


def _is_schedule(sigmas: Any) -> bool:
    return isinstance(sigmas, torch.Tensor) and sigmas.dim() == 1


def _local(frame: types.FrameType, name: str) -> Any:
    """A function's local variable, without keeping its other ones alive; None if it has none."""
    found = frame.f_locals
    value = found.get(name)
    if isinstance(found, dict):
        # before Python 3.13 f_locals is a copy that the frame keeps, and with it images and latents
        found.clear()
    return value
