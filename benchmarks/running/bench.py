"""Shared by all parts of the benchmark: device, clock, rounds, results, progress, time limit."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.peers.methods import THIRD_PARTY
from benchmarks.running.store import Store
from benchmarks.running.timing import timed

Call = Callable[[], Any]
# returns a context manager that applies the method and yields the call to measure
Methods = dict[str, Callable[[], AbstractContextManager[Any]]]


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

    def interleave(self, key: tuple[str, ...], methods: Methods) -> None:
        """Time each method's call in rounds: each method once, in an order drawn anew.

        Each is called once before, to warm up. A group that lacks a time is measured anew as a
        whole, so that a round's times were taken side by side.

        Args:
            key: the point's name without the method's.
        """
        times = {name: self.store.seconds(*key, name) for name in methods}
        if all(len(seconds) >= self.rounds for seconds in times.values()) or self.out_of_time:
            return
        for seconds in times.values():
            seconds.clear()
        task = self.progress.add_task(" ".join(key), total=self.rounds * len(methods))

        def once(name: str, number: int) -> bool:
            def measure(call: Call) -> None:
                if not number:
                    timed(call, self.device)
                    return
                times[name][str(number)] = timed(call, self.device, self.clock)

            return self.attempt((*key, name), methods[name], measure)

        names, order = [name for name in methods if once(name, 0)], random.Random(0)
        for number in range(1, self.rounds + 1):
            if self.out_of_time:
                return
            order.shuffle(names)
            for name in names:
                once(name, number)
                self.progress.advance(task)
            self.store.save()

    def attempt(
        self,
        key: tuple[str, ...],
        method: Callable[[], AbstractContextManager[Any]],
        measure: Callable[[Any], None],
    ) -> bool:
        """Measure by a method, whose name is the key's last part; returns whether it worked.

        A failure of other people's code, or for want of memory, is noted, and the comparison goes
        on without it. Raised is what fails of our own, and what fails when the method lets go: a
        model that is left changed is not measured on.

        Args:
            measure: gets what the method's context manager yields.
        """
        note = " | ".join(key)
        with contextlib.ExitStack() as stack:
            try:
                measure(stack.enter_context(method()))
            except Exception as error:
                # an error class of its own on GPUs, only a text on CPUs
                no_memory = isinstance(error, torch.OutOfMemoryError)
                if not (no_memory or "allocate memory" in str(error) or key[-1] in THIRD_PARTY):
                    raise
                self.store.data["notes"][note] = f"{type(error).__name__}: {error}"
                return False
        self.store.data["notes"].pop(note, None)
        return True


@contextlib.contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar for each group of measurements."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn()) as progress:
        yield progress
