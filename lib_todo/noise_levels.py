"""Where a sampler's noise levels leap, which multistep methods answer with large coefficients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

# how many times the last logarithmic step down the next one may be
LEAP = 1.5
# the evaluations that a multistep method of the third order extrapolates from, besides its last
MEMORY = 2


def rest_from(sigmas: Sequence[float]) -> int | None:
    """The step from which the phase has to rest for a multistep method; None: it need not.

    DPM++ 2M goes from a step's level to the next by 1 + 1 / 2r times its last evaluation, less
    1 / 2r times the one before, where r is the last step down over the next one, both logarithmic
    (arXiv 2211.01095, algorithm 2). Schedules that end at the model's own least level (A1111's
    Uniform, ComfyUI's normal) go the last piece in one leap, and multiply by that what changed from
    one evaluation to the next. Karras' schedule does not leap.

    Args:
        sigmas: the sampler's schedule, one more than it has steps, mostly with 0 at the end.
    """
    falling = [level for level in sigmas if level > 0]
    steps = [math.log(high / low) for high, low in itertools.pairwise(falling)]
    for step in range(1, len(steps)):
        if 0 < steps[step - 1] * LEAP < steps[step]:
            return max(0, step - MEMORY)
    return None
