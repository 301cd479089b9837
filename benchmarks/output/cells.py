"""Numbers as text for the cells of tables, with their spread or interval."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable

from benchmarks.running.timing import Spread, Times

RESAMPLINGS = 2000


def seconds(times: Times) -> str:
    """Median, minimum and maximum, and the number of runs."""
    spread = Spread.of(times.values())
    if spread.count == 1:
        return f"{_digits(spread.median)} (one run)"
    return (
        f"{_digits(spread.median)} ({_digits(spread.low)} to {_digits(spread.high)}, "
        f"{spread.count} runs)"
    )


def _digits(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def times(spread: Spread) -> str:
    """A ratio of times with its spread."""
    if spread.count == 1:
        return f"{spread.median:.3f}"
    return f"{spread.median:.3f} ({spread.low:.3f} to {spread.high:.3f})"


def _with_interval(statistic: Callable[[list[int]], float], seeds: int, digits: int) -> str:
    """The statistic over all seeds with its 95% interval, by bootstrapping the seeds.

    Args:
        statistic: gets seeds, of which some may repeat.
    """
    whole = f"{statistic(list(range(seeds))):.{digits}f}"
    if seeds < 2:
        return whole
    draw = random.Random(0)
    drawn = sorted(statistic(draw.choices(range(seeds), k=seeds)) for _ in range(RESAMPLINGS))
    low, high = (drawn[int(part * RESAMPLINGS)] for part in (0.025, 0.975))
    return f"{whole} ({low:.{digits}f} to {high:.{digits}f})"


def mean(values: list[float], digits: int) -> str:
    """The mean over seeds with its 95% interval."""
    return _with_interval(
        lambda seeds: statistics.fmean(values[seed] for seed in seeds), len(values), digits
    )


def ratio_of_means(upper: list[float], lower: list[float], digits: int) -> str:
    """The mean of `upper` over that of `lower`, both of the same seeds, with its 95% interval."""
    return _with_interval(
        lambda seeds: sum(upper[seed] for seed in seeds) / sum(lower[seed] for seed in seeds),
        min(len(upper), len(lower)),
        digits,
    )
