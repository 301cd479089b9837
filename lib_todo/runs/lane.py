"""What is remembered from one call of a model to the next, for each thread or asyncio task."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from typing import Any

import torch

from ..callers import Numbers, caller
from ..clock import TimestepClock
from ..interception import compiled
from ..phase import PhaseCounter
from ..position import Moment
from ..report import Report
from .evaluation import Evaluation


class Lane:
    """What one thread or asyncio task remembers between its calls of a model."""

    def __init__(self, samplings: Numbers) -> None:
        self.clock = TimestepClock(samplings)
        self.phases = PhaseCounter()
        self._loose: Evaluation | None = None
        # transformers of the last whole evaluation, where no model's call tells
        self._known: frozenset[int] = frozenset()
        # when a callback was heard last, and the clock's sampling and step at that call
        self._heard = -1
        self._at: tuple[int, int] | None = None

    def going_on(self, transformer: Any, reported_evaluation: int) -> Evaluation | None:
        """The evaluation under way outside of any model's call; None where another one begins.

        Args:
            transformer: what is called; None where one of its layers asks, which begins none.
            reported_evaluation: the number of the evaluation that a host reported last.
        """
        loose = self._loose
        if loose is None or transformer is None:
            return loose
        return None if loose.is_over(transformer, reported_evaluation, self._known) else loose

    @property
    def is_in_transformer(self) -> bool:
        """Whether a transformer is being called outside of any model's call."""
        return self._loose is not None and self._loose.calling is not None

    def begin_loose(self, evaluation: Evaluation, reported_evaluation: int) -> Evaluation:
        """Begin an evaluation outside of any model's call."""
        if self._loose is not None:
            self._known = self._loose.transformers
        self._loose, evaluation.reported_evaluation = evaluation, reported_evaluation
        return evaluation

    def moment(self, report: Report, timestep: Any, pass_name: str = "first") -> Moment | None:
        """Where a call of the model at `timestep` stands, by whoever knows it best.

        A host knows. A callback is believed for the calls between two of its words; where the clock
        goes on without one, it was not given to that pipeline, or the sampling was broken off.

        Args:
            report: the run's, in which a host or a callback reports the position.
            timestep: what the model is called with.
            pass_name: the pass that holds where nobody reports one.
        """
        position = report.position
        announced = position.announced
        if announced is None and (reported := position.moment) is not None:
            return dataclasses.replace(reported, sampler=reported.sampler or self._sampler)
        self.clock.pass_name = pass_name
        if announced is None:
            position.pass_name = pass_name
        value, now = self._number(timestep), None
        if value is not None:
            self.clock.see(value)
            now = self.clock.sampling, self.clock.step
        if announced is not None:
            return self._by_callback(report, announced, now)
        moment = self.clock.moment if now else None
        if moment is None or moment.sampler:
            return moment
        # a host that has not begun to count may have named the sampler
        return dataclasses.replace(moment, sampler=position.sampler)

    def _number(self, timestep: Any) -> float | None:
        """The timestep as a number, read back from its device only where nothing else tells it."""
        taken = self.clock.schedule.taken if self.clock.schedule else None
        known = taken(timestep) if taken else None
        return as_number(timestep) if known is None else known

    def _by_callback(
        self, report: Report, announced: str, now: tuple[int, int] | None
    ) -> Moment | None:
        position = report.position
        another_sampling = now is not None and self._at is not None and now[0] != self._at[0]
        if position.current_step is None or another_sampling:
            position = report.own_position()
            position.advance(0, 1, announced)
        if position.evaluation != self._heard:
            self._heard, self._at = position.evaluation, now
        elif now != self._at:
            return self.clock.moment
        reported = position.moment
        return dataclasses.replace(reported, sampler=self._sampler) if reported else None

    @property
    def _sampler(self) -> str | None:
        return self.clock.schedule.sampler if self.clock.schedule else None


class _Calls(threading.local):
    """The models' calls that this thread is in, and the lane of the innermost."""

    def __init__(self) -> None:
        self.evaluations: list[Evaluation] = []
        self.lane: Lane


class Lanes:
    """The lanes of a run, one for each thread or asyncio task that calls a model in it.

    A call of a model never waits for another task, so within a call the lane is always the same.
    """

    def __init__(self, samplings: Numbers) -> None:
        self._samplings = samplings
        self._lanes: weakref.WeakKeyDictionary[Any, Lane] = weakref.WeakKeyDictionary()
        self._calls = _Calls()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Begin anew; calls that are under way go on."""
        with self._lock:
            self._lanes.clear()

    @property
    def evaluations(self) -> list[Evaluation]:
        """The models' calls that this thread is in, the innermost last."""
        return self._calls.evaluations

    def open(self) -> Lane:
        """The lane of whoever runs now."""
        owner = caller()
        with self._lock:
            lane = self._lanes.get(owner)
            if lane is None:
                lane = self._lanes[owner] = Lane(self._samplings)
        self._calls.lane = lane
        return lane

    @property
    def now(self) -> Lane:
        """The lane of the call that this thread is in."""
        return self._calls.lane if self.evaluations else self.open()


def as_number(timestep: Any) -> float | None:
    """A timestep as one number, of a batch its largest; None where it is none."""
    if isinstance(timestep, torch.Tensor):
        if timestep.numel() == 0 or timestep.is_meta or compiled.is_exporting():
            return None
        if timestep.is_cuda and torch.cuda.is_current_stream_capturing():
            # a CUDA graph is being recorded, and then nothing may be read back
            return None
        return float(timestep.max() if timestep.numel() > 1 else timestep)
    return float(timestep) if isinstance(timestep, (int, float)) else None
