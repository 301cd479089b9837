"""Times by interleaved rounds, medians with spread, and the peak of memory."""

from __future__ import annotations

import ctypes
import dataclasses
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

# seconds by the round they were measured in; rounds of a group are numbered from "1"
Times = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Spread:
    """The median of some numbers, their least and their greatest; `count` is how many."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        numbers = list(values)
        return cls(statistics.median(numbers), min(numbers), max(numbers), len(numbers))


def ratio(upper: Times, lower: Times) -> Spread:
    """How many times `upper` is of `lower`, round by round: what is slow in a round is in both.

    Returns:
        the rounds' ratios; where the two share no round, the ratio of medians, with a count of 0.
    """
    shared = [name for name in upper if name in lower]
    if shared:
        return Spread.of(upper[name] / lower[name] for name in shared)
    apart = statistics.median(upper.values()) / statistics.median(lower.values())
    return Spread(apart, apart, apart, 0)


def keep_freed_memory() -> bool:
    """Have the process keep what it frees, where the C library is glibc; whether it does now.

    Else each large tensor is pages new from the system, and handing them out is up to a fifth of
    a call's processor time, differently in every call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # by <malloc.h>; a threshold of -1 never gives back from the top, no maps never takes by mmap
    trim_threshold, mmap_max = -1, -4
    return bool(mallopt(trim_threshold, -1) and mallopt(mmap_max, 0))


def synchronize(device: torch.device) -> None:
    """Wait for the device's work; a CPU has none waiting."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    # seconds that the process's threads were running, whoever else wants the processor meanwhile
    "cpu": time.process_time,
}


def timed(call: Callable[[], Any], device: torch.device, clock: str = "wall") -> float:
    """Seconds of one call by one of CLOCKS."""
    now = CLOCKS[clock]
    synchronize(device)
    start = now()
    call()
    synchronize(device)
    return now() - start


def next_round(counts: Mapping[str, int], rounds: int, seed: int) -> list[str]:
    """Who runs next: those with the fewest runs, in an order drawn anew each round.

    Args:
        counts: runs that each name has behind it.
        rounds: how many each shall have.

    Returns:
        the names, none when all have their `rounds`.
    """
    least = min(counts.values(), default=rounds)
    if least >= rounds:
        return []
    names = sorted(name for name, count in counts.items() if count == least)
    random.Random(f"{seed} {least}").shuffle(names)
    return names


def peak_bytes(call: Callable[[], Any], device: torch.device) -> int:
    """The greatest sum of bytes that `call` held allocated at one time, beyond what was before.

    On a GPU from the allocator's own peak. On a CPU from the profiler's log of every allocation
    and release of PyTorch's allocator; what libraries allocate beside it is not in it.
    """
    if device.type == "cuda":
        synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(profile_memory=True, activities=[_CPU]) as profiler:
        call()
    # kineto's raw events are the only place where single allocations can be read
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    held = peak = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        held += change
        peak = max(peak, held)
    return peak


_CPU = torch.profiler.ProfilerActivity.CPU
