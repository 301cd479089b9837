"""One call of a model, and what is remembered from one call to the next."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import Any

from .phase import FIXED, Phase, PhaseCounter
from .plan import Grid, decide
from .position import Moment, TimestepClock
from .reasons import Reason
from .report import Report
from .samplers import rule_for, settings_for
from .settings import Settings


class Evaluation:
    """A call of a whole model that is under way: its transformers, grids and place in the sampling.

    Where no such call was seen (a model of a class that the table does not know), transformers
    called one after another are taken for one evaluation, until one of them is called again.
    """

    def __init__(self, settings: Settings, moment: Moment | None, model: Any = None) -> None:
        self.moment = moment or Moment()
        self.model = model
        self.rule = rule_for(self.moment.sampler, self.moment.told)
        self.settings = settings_for(self.rule, settings)
        self.largest: Grid = (0, 0)
        self.told = 0
        self._grids: list[tuple[Grid | None, Any]] = []
        self._called: set[int] = set()
        self._places = 0

    @property
    def grid(self) -> Grid | None:
        """The grid of the transformer that is being called, None where it is unknown."""
        return self._grids[-1][0] if self._grids else None

    @property
    def transformer(self) -> Any:
        """The transformer that is being called."""
        return self._grids[-1][1]

    def enter(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a transformer over `grid` is called."""
        self._grids.append((grid, transformer))
        self._called.add(id(transformer))
        self._places = 0

    def next_layer(self) -> tuple[Any, int]:
        """The transformer that is called, and which of its compiled layers it is now, from 0."""
        self._places += 1
        return self.transformer, self._places - 1

    def decide(self, grid: Grid) -> tuple[float, Reason | None]:
        """The factor of a layer by the rule alone, and why it is left alone (None: it is not)."""
        return decide(grid, self.largest, self.settings, self.moment)

    def phase(self, layer: Any, factor: float, phases: PhaseCounter, report: Report) -> Phase:
        """The phase of a layer that is pooled now; the report hears where it does not move on."""
        moment, hold = self.moment, self.rule.hold
        if not self.settings.moves:
            return FIXED
        if moment.step is None:
            report.phase_held(None, 0)
            return FIXED
        if hold != 1:
            report.phase_held(moment.sampler, hold)
        return phases.phase(layer, moment.sampling, moment.step, factor, hold)

    def leave(self) -> None:
        """Undo the last enter."""
        self._grids.pop()

    def is_over(self, transformer: Any, told: int) -> bool:
        """Whether calling `transformer` begins another evaluation, where no model's call tells."""
        return not self._grids and (id(transformer) in self._called or self.told != told)

    def see_self_attention(self, grid: Grid) -> None:
        """Note a layer's grid: the largest one with self-attention is the first level."""
        if grid[0] * grid[1] > self.largest[0] * self.largest[1]:
            self.largest = grid


class Lane:
    """What one thread or asyncio task remembers between its calls of a model."""

    def __init__(self) -> None:
        self.clock = TimestepClock()
        self.phases = PhaseCounter()
        self.sampler: str | None = None
        self.loose: Evaluation | None = None


class Lanes:
    """The lanes of a run, one for each thread or asyncio task that calls a model in it.

    A call of a model never waits for another task, so within a call the lane is always the same.
    """

    def __init__(self) -> None:
        self._lanes: weakref.WeakKeyDictionary[Any, Lane] = weakref.WeakKeyDictionary()
        self._calls = threading.local()

    def forget(self) -> None:
        """Begin anew; calls that are under way go on."""
        self._lanes.clear()

    @property
    def evaluations(self) -> list[Evaluation]:
        """The models' calls that this thread is in, the innermost last."""
        if not hasattr(self._calls, "evaluations"):
            self._calls.evaluations = []
        return self._calls.evaluations

    def open(self) -> Lane:
        """The lane of whoever runs now."""
        owner = caller()
        lane = self._lanes.get(owner)
        if lane is None:
            lane = self._lanes[owner] = Lane()
        self._calls.lane = lane
        return lane

    @property
    def now(self) -> Lane:
        """The lane of the call that this thread is in."""
        return self._calls.lane if self.evaluations else self.open()


def caller() -> Any:
    """Who runs now: an asyncio task, or a thread where there is none."""
    return _task() or threading.current_thread()


def _task() -> asyncio.Task | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        # no event loop runs in this thread
        return None
