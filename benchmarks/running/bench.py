"""Shared by all parts of the benchmark: device, clock, rounds, results, progress, time limit."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.peers.names import THIRD_PARTY
from benchmarks.running.store import Store
from benchmarks.running.timing import next_round, peak_bytes, timed

Call = Callable[[], Any]
# returns a context manager that applies the method and yields the call to measure
Method = Callable[[], AbstractContextManager[Call]]
Methods = dict[str, Method]


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
        """Whether the time limit is reached."""
        return time.monotonic() > self.deadline

    def interleave(self, key: tuple[str, ...], methods: Methods, repeats: int = 1) -> None:
        """Time each method's call, in rounds, until each has its rounds or time is up.

        Each method that still has rounds is called once before them, to warm up. One that joins
        later is measured in rounds of its own; one that fails, see `attempt`, has had its rounds.

        Args:
            key: the point's name without the method's.
            repeats: calls in one measurement, for short ones; the seconds are of one call.
        """
        done = {name: len(self.store.seconds(*key, name)) for name in methods}
        total = self.rounds * len(methods)
        task = self.progress.add_task(" ".join(key), total=total, completed=sum(done.values()))

        def run(name: str, measure: Callable[[Call], None]) -> bool:
            worked = self.attempt((*key, name, "time"), name, methods[name], measure)
            if not worked:
                done[name] = self.rounds
            return worked

        for name in [name for name, count in done.items() if count < self.rounds]:
            if not self.out_of_time:
                run(name, lambda call: timed(call, self.device))
        while (names := next_round(done, self.rounds, seed=0)) and not self.out_of_time:
            points = self.store.under(*key).values()
            number = 1 + max((int(n) for p in points for n in p.get("seconds", {})), default=0)
            for name in names:

                def measure(call: Call, name: str = name, number: int = number) -> None:
                    seconds = timed(_repeated(call, repeats), self.device, self.clock)
                    self.store.seconds(*key, name)[str(number)] = seconds / repeats

                if run(name, measure):
                    done[name] += 1
                self.progress.advance(task)
            self.store.save()

    def attempt(
        self, note: tuple[str, ...], name: str, method: Method, measure: Callable[[Call], None]
    ) -> bool:
        """Measure a method's call; returns whether it worked.

        A failure of other people's code, or for want of memory, is noted, and the comparison goes
        on without it. Raised is what fails of our own, and what fails when the method lets go: a
        model that is left changed is not measured on.

        Args:
            note: the note's name; one of an earlier failure goes when it works.
            measure: what to do with the call while the method holds.
        """
        with contextlib.ExitStack() as stack:
            try:
                measure(stack.enter_context(method()))
            except Exception as error:
                # an error class of its own on GPUs, only a text on CPUs
                no_memory = isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(
                    error
                )
                if name not in THIRD_PARTY and not no_memory:
                    raise
                self.store.note(" | ".join(note), f"{type(error).__name__}: {error}")
                return False
        self.store.forget(" | ".join(note))
        return True

    def memory(self, key: tuple[str, ...], methods: Methods) -> None:
        """Measure the peak memory of each method's call, unless it is measured already."""
        task = self.progress.add_task(" ".join((*key, "memory")), total=len(methods))
        for name, method in methods.items():
            point = self.store.point(*key, name)
            if "peak_bytes" not in point and not self.out_of_time:

                def measure(call: Call, point: dict[str, Any] = point) -> None:
                    point["peak_bytes"] = peak_bytes(call, self.device)

                self.attempt((*key, name, "memory"), name, method, measure)
                self.store.save()
            self.progress.advance(task)

    def each_seed(
        self, key: tuple[str, ...], points: dict[str, dict], measures: tuple[str, ...], seeds: int
    ) -> Iterator[tuple[int, Callable[[str, dict[str, float]], None]]]:
        """The seeds that some point still lacks, until time is up.

        Yields:
            A seed, and a function that adds a method's numbers of it.

        Args:
            points: by method; each has a list of numbers, by seed, for each of `measures`.
        """
        done = min(len(p.setdefault(name, [])) for p in points.values() for name in measures)
        task = self.progress.add_task(" ".join(key), total=seeds, completed=min(done, seeds))
        for seed in range(done, seeds):
            if self.out_of_time:
                return

            def add(method: str, numbers: dict[str, float], seed: int = seed) -> None:
                for name, number in numbers.items():
                    # what is there already stays
                    if len(points[method][name]) == seed:
                        points[method][name].append(number)

            yield seed, add
            self.store.save()
            self.progress.advance(task)


def _repeated(call: Call, times: int) -> Call:
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
