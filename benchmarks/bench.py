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

from benchmarks.peers import FOREIGN
from benchmarks.store import Store
from benchmarks.timing import next_round, peak_bytes, timed

# by name, what makes a context manager that holds the method and yields the call to measure
Methods = dict[str, Callable[[], AbstractContextManager[Callable[[], Any]]]]
# seconds of a call below which each method has a call to warm up
SHORT = 1.0


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

        A method that joins later is measured in rounds of its own. One that fails, see `attempt`,
        is not called again.

        Args:
            key: the point's name without the method's.
            repeats: calls in one measurement, for short ones; the seconds are of one call.
        """
        done = {name: len(self.store.seconds(*key, name)) for name in methods}
        total = self.rounds * len(methods)
        task = self.progress.add_task(" ".join(key), total=total, completed=sum(done.values()))
        while (names := next_round(done, self.rounds, seed=0)) and not self.out_of_time:
            number = self._rounds_so_far(key) + 1
            for name in names:
                with self.attempt(key, name) as attempt, methods[name]() as call:
                    seconds = timed(_repeated(call, repeats), self.device, self.clock)
                    self.store.seconds(*key, name)[str(number)] = seconds / repeats
                # who failed has had its rounds
                done[name] = self.rounds if attempt.failed else done[name] + 1
                self.progress.advance(task)
            self.store.save()

    def _rounds_so_far(self, key: tuple[str, ...]) -> int:
        rounds = [r for point in self.store.under(*key).values() for r in point.get("seconds", {})]
        return max(map(int, rounds), default=0)

    @contextlib.contextmanager
    def attempt(self, key: tuple[str, ...], name: str) -> Iterator[Attempt]:
        """Note a failure of other people's code, or too little memory, and go on without it.

        What fails of our own is raised.
        """
        attempt = Attempt()
        try:
            yield attempt
        except Exception as error:
            if name not in FOREIGN and not isinstance(error, torch.OutOfMemoryError):
                raise
            attempt.failed = True
            self.store.note(" | ".join((*key, name)), f"{type(error).__name__}: {error}")

    def warm_up(self, key: tuple[str, ...], methods: Methods) -> None:
        """A call that is not timed, of a method that has runs to come; of all where it is short."""
        for name, method in methods.items():
            if len(self.store.seconds(*key, name)) >= self.rounds:
                continue
            if self.out_of_time:
                return
            with self.attempt(key, name), method() as call:
                if timed(call, self.device) > SHORT:
                    return

    def memory(self, key: tuple[str, ...], methods: Methods) -> None:
        """The peak of each method's call where there is none yet."""
        task = self.progress.add_task(" ".join((*key, "memory")), total=len(methods))
        for name, method in methods.items():
            point = self.store.point(*key, name)
            if "peak_bytes" not in point and not self.out_of_time:
                with self.attempt(key, name), method() as call:
                    point["peak_bytes"] = peak_bytes(call, self.device)
                self.store.save()
            self.progress.advance(task)


@dataclasses.dataclass
class Attempt:
    """Whether what was attempted failed."""

    failed: bool = False


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
