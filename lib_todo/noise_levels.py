"""What a sampler's schedule of noise levels does at its end, where evaluations weigh the most.

A schedule has one level more than steps, and mostly ends at 0. What is said of a step here is said
of the way from its level to the next one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

# a step that leaves less than this of the noise makes the picture nearly alone
LEFT = 0.4
# from this level on a single step to 0 decides what the picture shows
HIGH = 1.0
# below it no noise is seen: some schedules end there instead of at 0
NOTHING = 0.01


def falls(sigmas: Sequence[float]) -> bool:
    """Whether the schedule makes a picture of noise, and not noise of a picture."""
    return len(sigmas) > 1 and sigmas[-1] < sigmas[0]


def closing_step(sigmas: Sequence[float]) -> int | None:
    """The first step that takes most of the noise away; None: there is none (part of a schedule).

    Its one evaluation is most of the picture: nothing averages over it.
    """
    for step, (level, after) in enumerate(itertools.pairwise(sigmas)):
        if after <= LEFT * level:
            return step
    return None


def leap(sigmas: Sequence[float], times: float) -> int | None:
    """The last step of the second half that is so many times as large as the one before.

    Steps are measured by the logarithm of the level. Karras' schedule has ratios of 1.0 to 1.2,
    simple, SGM uniform and ComfyUI's beta up to 1.6, Align Your Steps 1.9, normal, uniform and
    DDIM's 3.5 and more.

    DPM++ 2M goes from a step's level to the next by 1 + 1 / 2r times its last evaluation, less
    1 / 2r times the one before, where r is the last step down over the next one, both logarithmic
    (arXiv 2211.01095, algorithm 2). Schedules that end at the model's own least level (A1111's
    Uniform, ComfyUI's normal) go the last piece in one leap, and multiply by that what changed from
    one evaluation to the next.
    """
    levels = [level for level in sigmas if level > 0]
    steps = [math.log(high / low) for high, low in itertools.pairwise(levels)]
    for step in range(len(steps) - 1, max(1, len(steps) // 2) - 1, -1):
        if 0 < steps[step - 1] * times < steps[step]:
            return step
    return None


def ends_high(sigmas: Sequence[float]) -> bool:
    """Whether the last step goes from much noise to none."""
    return sigmas[-1] < NOTHING and sigmas[-2] >= HIGH
