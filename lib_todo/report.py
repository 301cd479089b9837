"""The report: what was pooled and what was left alone, in numbers."""

from __future__ import annotations

import asyncio
import itertools
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from . import wording
from .counts import Counts, Key, PassCounts
from .plan import Grid
from .position import Moment, Position, Step
from .reasons import Reason


def caller() -> Any:
    """The asyncio task that runs now, or the thread where there is no task."""
    # asked at every call of a model; asyncio.current_task would raise where no loop runs: slow
    loop = asyncio._get_running_loop()
    task = None if loop is None else asyncio.current_task(loop)
    return threading.current_thread() if task is None else task


class Report(Counts):
    """What a `token_downsampling` or a binding did.

    A layer is one attention module; the report keeps none alive. Several threads may use it at
    once; where it is `shared`, each thread or task samples at a position of its own.

        with token_downsampling(Settings()) as report:
            image = pipe(prompt, width=1024, height=1024).images[0]
        print(report.line())  # for people
        json.dumps(report.to_dict())  # for programs
        before, after = next(iter(report.pooled))  # keys of a pooled layer
    """

    def __init__(self, shared: bool = False) -> None:
        self._shared = shared
        self.lock = threading.RLock()
        # the same counts by pass, "first" or "hires", in the order in which they began
        self.passes: dict[str, PassCounts] = {}
        self._parts = self.passes.values()
        # whether a model or block ran as a graph of torch.compile
        self.compiled = False
        # whether a model was called in a thread or task that has no settings, instead of in ours
        self.missed_elsewhere = False
        # how start and end were applied where the steps were not known: "timesteps" where they were
        # estimated from the model's timesteps, "unknown" where even that was impossible
        self.window = ""
        # numbers for samplings, shared by everything that tells one from the next
        self.samplings = itertools.count(1)
        self._position = Position(self.samplings)
        self._drawn = 0
        self._positions: weakref.WeakKeyDictionary[Any, Position] = weakref.WeakKeyDictionary()
        self._numbers: weakref.WeakKeyDictionary[Any, range] = weakref.WeakKeyDictionary()
        self._home: weakref.ref[Any] | None = None

    def enter(self) -> None:
        """Begin to report on this thread or task; its next evaluation begins a new sampling."""
        with self.lock:
            self._home = weakref.ref(caller())
            self._positions.clear()
            self._position.expect_sampling()

    @property
    def position(self) -> Position:
        """The position reported in this thread or task, else by the one that entered."""
        own = self._positions.get(caller()) if self._positions else None
        return own or self._position

    def own_position(self) -> Position:
        """The position that this thread or task may change."""
        who = caller()
        if not self._shared and (self._home is None or self._home() is who):
            return self._position
        with self.lock:
            own = self._positions.get(who)
            if own is None:
                own = self._positions[who] = Position(self.samplings)
                own.sampler = self._position.sampler
            return own

    def progress(
        self, step: int, total: int, pass_name: str = "first", shown_steps: int | None = None
    ) -> None:
        """Report where the sampling is, before the model is called.

        Args:
            step: how many of `total` model evaluations of this pass are done.
            pass_name: "first" or "hires".
            shown_steps: the number of steps that the user set, where a step takes several
                evaluations (Heun, DPM++ SDE); the line counts these.

        Raises:
            ValueError: total below 1, a negative step, or an unknown pass.
        """
        now = self.own_position().advance(step, total, pass_name, shown_steps)
        counts = self._pass(pass_name)
        with self.lock:
            counts.seen.add(now)
            counts.asked[now[0]] = shown_steps or total

    @property
    def pass_now(self) -> PassCounts:
        """The counts of the pass that is under way."""
        return self._pass(self.position.pass_name)

    def _pass(self, name: str) -> PassCounts:
        with self.lock:
            return self.passes.get(name) or self.passes.setdefault(name, PassCounts(self.lock))

    def note_window(self, moment: Moment) -> None:
        """Note that start and end were applied at `moment` by an estimate, or not at all."""
        if not moment.counts_steps:
            known = moment.fraction is not None and moment.step
            self.window = "timesteps" if known or self.window == "timesteps" else "unknown"

    def numbers(self, owner: Any, layers: int) -> range:
        """The numbers of `owner`'s self-attention layers, drawn when it is first seen."""
        with self.lock:
            if owner not in self._numbers:
                numbers = range(self._drawn, self._drawn + layers)
                self._numbers[owner], self._drawn = numbers, numbers.stop
            return self._numbers[owner]

    def count(self, noted: Mapping[Key, Sequence[int]], step: Step | None = None) -> None:
        """Count one call of each of the layers noted.

        Args:
            noted: the layers' `numbers`, by what happened to them.
            step: the step that is shown; None where that is not known.
        """
        counts = self._pass(step[1]) if step is not None else self.pass_now
        with self.lock:
            for (grid, before, after, reason), layers in noted.items():
                if not layers:
                    continue
                # numbers of a traced call are tensors
                tally = counts.counted[grid, int(before), int(after), reason]
                tally.layers.update(layers)
                tally.calls += len(layers)
                if step is not None:
                    tally.steps.add(step)
                    counts.seen.add(step)

    def expect_model(self) -> None:
        """Say that a model was loaded anew: its layers count as those of the one before."""
        with self.lock:
            self._numbers.clear()
            self._drawn = 0

    def leave_alone(self, pass_name: str, levels: Iterable[tuple[Grid, int, Reason]]) -> None:
        """Note a model's layers, by grid, that will keep all their keys: no call of them is met."""
        drawn = 0
        with self.lock:
            for grid, layers, reason in levels:
                keys = grid[0] * grid[1]
                numbers = range(drawn, drawn := drawn + layers)
                self._pass(pass_name).counted[grid, keys, keys, reason].layers.update(numbers)

    def line(self, heads: Mapping[str, str] = MappingProxyType({})) -> str:
        """One line for people. `heads`: by pass, what stands behind its name, such as a size."""
        missing = wording.ELSEWHERE if self.missed_elsewhere else wording.NO_LAYER
        if self.compiled:
            missing = wording.COMPILED
        with self.lock:
            return wording.line(self.passes, self.window, heads, missing)

    def to_dict(self) -> dict[str, Any]:
        """The whole report in types that JSON knows."""
        pooled, seen = self.steps
        return {
            "layers": self.layers,
            "steps": {"pooled": pooled, "seen": seen},
            "window": self.window,
            "missed_elsewhere": self.missed_elsewhere,
            "grids": self.to_list(),
            "passes": {name: counts.to_dict() for name, counts in self.passes.items()},
        }
