"""Times of a call by several clocks, and ratios of them with their spread."""

from __future__ import annotations

import ctypes
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable
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
    """`upper` divided by `lower` in each round that both have: a slow round is slow for both."""
    return Spread.of(upper[name] / lower[name] for name in upper if name in lower)


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
