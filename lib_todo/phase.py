"""The moving lattice: from which corner of each cell the tokens are taken, step by step.

A grid downsampled by f has f² polyphase components. The paper's ToDo takes the same one in every
step, so the other tokens never contribute. Taking another component in each step costs the same,
and the sampler averages over them.
"""

from __future__ import annotations

import functools
import math

# (row, column): which of a cell's ceil(factor) places along each axis
Phase = tuple[int, int]
# the paper's: the top left token of each cell
FIXED: Phase = (0, 0)


@functools.lru_cache(maxsize=256)
def phase_order(factor: float) -> tuple[Phase, ...]:
    """All phases of a factor, in the order in which steps take them; each once.

    ceil(factor)² of them: along the diagonal, and then along the next one. Rows and columns are
    visited evenly, whatever part of a round a sampling has steps for. It erred least of the orders
    tried for 2 and 3, and was among the two best for 4 (docs/measurements/lattice.md).

    Args:
        factor: per axis, 1 or more.
    """
    side = math.ceil(factor)
    return tuple((place, (place + shift) % side) for shift in range(side) for place in range(side))


class PhaseCounter:
    """Counts the steps in which a transformer was pooled, from which its layers' phase follows.

    The sampler's step number would not do: where an extension such as DeepCache skips the deep
    blocks in every second step, they would only ever see half of the phases. `before` steps of its
    schedule lie before each sampling.
    """

    def __init__(self, before: int = 0) -> None:
        self._before = self._count = before
        self._last: tuple[int, int] | None = None

    def phase(self, sampling: int, step: int, factor: float, hold: int) -> Phase:
        """The phase in this step, the same for every call within it.

        Args:
            sampling: its number; another one restarts the count.
            step: any number that differs from one step to the next.
            factor: per axis.
            hold: for how many steps in a row a phase is kept.
        """
        last, self._last = self._last, (sampling, step)
        if last is None or last[0] != sampling:
            self._count = self._before
        elif last[1] != step:
            self._count += 1
        order = phase_order(factor)
        return order[self._count // hold % len(order)]
