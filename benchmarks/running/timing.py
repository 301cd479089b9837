"""Times in interleaved rounds, medians with their spread, and peak memory."""

from __future__ import annotations

import ctypes
import dataclasses
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from comparison.measuring import synchronize

# seconds by round; the rounds of a group are numbered from "1"
Times = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of `count` numbers."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of at least one number."""
        numbers = list(values)
        return cls(statistics.median(numbers), min(numbers), max(numbers), len(numbers))


def ratio(upper: Times, lower: Times) -> Spread:
    """`upper` divided by `lower`, round by round, as a slow round is slow for both.

    Returns:
        The ratios of the rounds; if the two share none, the ratio of medians with a count of 0.
    """
    shared = [name for name in upper if name in lower]
    if shared:
        return Spread.of(upper[name] / lower[name] for name in shared)
    apart = statistics.median(upper.values()) / statistics.median(lower.values())
    return Spread(apart, apart, apart, 0)


def keep_freed_memory() -> bool:
    """Make the process keep freed memory, if the C library is glibc; returns whether it does.

    Otherwise the system has to provide new pages for each large tensor. That takes up to a fifth of
    a call's CPU time, and varies between calls.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # from <malloc.h>; never give back memory at the top of the heap, and never use mmap
    trim_threshold, mmap_max = -1, -4
    return bool(mallopt(trim_threshold, -1) and mallopt(mmap_max, 0))


# of a GPU alone: what a program takes that runs no Python between its kernels
KERNELS = "kernels"
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    # only the time in which this process's threads were running
    "cpu": time.process_time,
}


def timed(call: Callable[[], Any], device: torch.device, clock: str = "wall") -> float:
    """Seconds of one call by one of CLOCKS, or by KERNELS."""
    if clock == KERNELS:
        return _replayed(call, device)
    now = CLOCKS[clock]
    synchronize(device)
    start = now()
    call()
    synchronize(device)
    return now() - start


def _replayed(call: Callable[[], Any], device: torch.device) -> float:
    """Seconds of the call's kernels: recorded as a CUDA graph, and replayed.

    Source: PyTorch's notes on CUDA graphs; the call goes first on a stream of its own.
    """
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        call()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    graph.replay()
    synchronize(device)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    graph.replay()
    end.record()
    synchronize(device)
    return start.elapsed_time(end) / 1000


def next_round(counts: Mapping[str, int], rounds: int, seed: int) -> list[str]:
    """The methods to run next: those with the fewest runs, in random order.

    Args:
        counts: runs so far by name.
        rounds: how many each should have.
        seed: of the random order.

    Returns:
        The names; empty when all have their `rounds`.
    """
    least = min(counts.values(), default=rounds)
    if least >= rounds:
        return []
    names = sorted(name for name, count in counts.items() if count == least)
    random.Random(f"{seed} {least}").shuffle(names)
    return names


def peak_bytes(call: Callable[[], Any], device: torch.device) -> int:
    """The peak of bytes that `call` allocated, beyond what was allocated before.

    On a GPU it is the allocator's own peak. On a CPU it comes from the profiler's log of PyTorch's
    allocator, without memory that other libraries allocate themselves.
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
    # single allocations can be read only from kineto's raw events
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    held = peak = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        held += change
        peak = max(peak, held)
    return peak


_CPU = torch.profiler.ProfilerActivity.CPU
