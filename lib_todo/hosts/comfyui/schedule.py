"""The sampler's step that an evaluation belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..call_stack import callers, local

# relative; samplers recompute sigmas in single precision
TOLERANCE = 1e-4
# ComfyUI's method that calls the sampler's function: whatever called it in turn is no sampler
CALLS_SAMPLER = "inner_sample"


def step_of(sigma: float, sigmas: Sequence[float]) -> int:
    """The step, from 0, that begins at the noise level `sigma` or went past it.

    It is the last step whose sigma has been reached; one before the first sigma is the first step.

    Args:
        sigma: a noise level, 0 or more.
        sigmas: the sampler's schedule, one more than it has steps; falling, or rising where an
            image is turned back into noise.
    """
    starts = sigmas[:-1]
    rising = sigmas[-1] > sigmas[0]
    begun = [
        step
        for step, start in enumerate(starts)
        if (sigma >= start * (1 - TOLERANCE) if rising else sigma <= start * (1 + TOLERANCE))
    ]
    return begun[-1] if begun else 0


def step_begun() -> float | None:
    """The noise level at which the sampler on the call stack began its present step.

    The level of an evaluation does not tell its step: Heun's method evaluates a step's end, which
    is where the next step begins, and `heunpp2` the end of the next step too. But samplers go
    through their argument `sigmas` in a loop over `i`. None where there is no such loop (UniPC),
    and in other threads than the sampler's.
    """
    for frame in callers():
        code = frame.f_code
        if code.co_name == CALLS_SAMPLER:
            return None
        if "sigmas" in code.co_varnames[: code.co_argcount]:
            sigmas, i = local(frame, "sigmas"), local(frame, "i")
            is_schedule = isinstance(sigmas, torch.Tensor) and sigmas.dim() == 1
            if is_schedule and isinstance(i, int) and 0 <= i < len(sigmas):
                return float(sigmas[i])
    return None
