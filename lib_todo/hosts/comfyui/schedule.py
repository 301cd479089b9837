"""The sampler's step that an evaluation belongs to, by its noise level."""

from __future__ import annotations

from collections.abc import Sequence

# relative; samplers recompute sigmas in single precision
TOLERANCE = 1e-4


def step_of(sigma: float, sigmas: Sequence[float]) -> int:
    """The step, from 0, in which a sampler evaluates the model at `sigma`.

    It is the last step whose sigma has been reached: samplers with several evaluations per step go
    from their step's sigma towards the next one's. An evaluation at the next step's sigma belongs
    to that step, and one before the first sigma to the first step.

    Args:
        sigma: the evaluation's noise level, 0 or more.
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
