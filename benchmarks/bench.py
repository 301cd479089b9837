"""What every part of the benchmark shares: device, clock, rounds, results, progress, budget."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.store import Store
from benchmarks.timing import next_round, peak_bytes, timed

# by name, what makes a context manager that holds the method and yields the call to measure
Methods = dict[str, Callable[[], AbstractContextManager[Callable[[], Any]]]]


@dataclasses.dataclass
class Bench:
    """One run of the benchmark.

    `deadline` is in seconds of time.monotonic; no round starts after it.
    """

    store: Store
    device: torch.device
    dtype: torch.dtype
    clock: str
    rounds: int
    deadline: float
    progress: Progress

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() > self.deadline

    def interleave(
        self,
        key: tuple[str, ...],
        methods: Methods,
        repeats: int = 1,
    ) -> None:
        """Time each method's call, in rounds, until each has its rounds or time is up.

        Args:
            key: the point's name without the method's.
            repeats: calls in one measurement, for short ones; the seconds are of one call.
        """
        done = {name: len(self.store.seconds(*key, name)) for name in methods}
        total = self.rounds * len(methods)
        task = self.progress.add_task(" ".join(key), total=total, completed=sum(done.values()))
        while names := next_round(done, self.rounds, seed=0):
            if self.out_of_time:
                break
            for name in names:
                with methods[name]() as call:
                    seconds = timed(_repeated(call, repeats), self.device, self.clock)
                self.store.seconds(*key, name).append(seconds / repeats)
                done[name] += 1
                self.progress.advance(task)
            self.store.save()

    def warm_up(self, key: tuple[str, ...], methods: Methods) -> None:
        """One call that is not timed, of the first method that has runs to come."""
        for name, method in methods.items():
            if len(self.store.seconds(*key, name)) < self.rounds and not self.out_of_time:
                with method() as call:
                    call()
                return

    def memory(self, key: tuple[str, ...], methods: Methods) -> None:
        """The peak of each method's call where there is none yet."""
        task = self.progress.add_task(" ".join((*key, "memory")), total=len(methods))
        for name, method in methods.items():
            point = self.store.point(*key, name)
            if "peak_bytes" not in point and not self.out_of_time:
                with method() as call:
                    point["peak_bytes"] = peak_bytes(call, self.device)
                self.store.save()
            self.progress.advance(task)


def _repeated(call: Callable[[], Any], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            call()

    return run


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar for each group of measurements."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn()) as progress:
        yield progress
