"""What is remembered from one call of a model to the next, for each thread or asyncio task."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from typing import TYPE_CHECKING, Any

import torch

from ..callers import Numbers, caller
from ..clock import TimestepClock
from ..interception import graphs
from ..phase import PhaseCounter
from ..position import Moment
from ..report import Report

if TYPE_CHECKING:
    from .model_call import ModelCall


@dataclasses.dataclass
class Known:
    """The places in a transformer of layers that were watched.

    `checked` computed their keys from what they were handed, `ignoring` from all tokens.
    """

    checked: set[int] = dataclasses.field(default_factory=set)
    ignoring: set[int] = dataclasses.field(default_factory=set)


class Lane:
    """What one thread or asyncio task remembers between its calls of a model."""

    def __init__(self, samplings: Numbers) -> None:
        self.clock = TimestepClock(samplings)
        self.phases = PhaseCounter()
        # the call under way outside of any model's
        self.loose: ModelCall | None = None
        # whether its model's forward was called by name, and no transformer since
        self.is_fresh = False
        self.reported_evaluation = 0
        # the transformers of the loose call before
        self._before: frozenset[int] = frozenset()
        self._known: weakref.WeakKeyDictionary[Any, Known] = weakref.WeakKeyDictionary()
        self._compiled: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._transformers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        # when a callback was heard last, and the clock's sampling and step at that call
        self._heard = -1
        self._at: tuple[int, int] | None = None

    def known(self, transformer: Any) -> Known:
        """What is known of a transformer's layers."""
        known = self._known.get(transformer)
        if known is None:
            known = self._known[transformer] = Known()
        return known

    def is_compiled(self, module: Any) -> bool:
        """Whether a part of the module was a graph of torch.compile when first called here."""
        found = self._compiled.get(module)
        if found is None:
            found = self._compiled[module] = graphs.is_any_compiled(module)
        return found

    def transformers(self, model: Any) -> dict[int, Any]:
        """The spatial transformers of a model that was compiled, by id."""
        found = self._transformers.get(model)
        if found is None:
            found = self._transformers[model] = weakref.WeakValueDictionary(
                graphs.transformers_of(model)
            )
        return dict(found)

    def goes_on(self, transformer: Any, reported_evaluation: int) -> bool:
        """Whether a transformer belongs to the loose call under way.

        Args:
            reported_evaluation: the number of the evaluation that a host reported last.
        """
        if self.loose is None:
            return False
        if self.is_fresh:
            return True
        called = self.loose.called
        # once all transformers of the call before were called again, one that was not among them
        # belongs to another model
        newcomer = called == self._before and id(transformer) not in self._before
        reported = self.reported_evaluation != reported_evaluation
        return not (newcomer or reported or id(transformer) in called)

    def begin_loose(self, call: ModelCall, is_fresh: bool = False) -> ModelCall:
        """Begin a call outside of any model's."""
        if self.loose is not None:
            self._before = frozenset(self.loose.called)
        self.loose, self.is_fresh = call, is_fresh
        return call

    def moment(self, report: Report, timestep: Any, pass_name: str = "first") -> Moment | None:
        """Where a call of the model at `timestep` stands, by what knows it best.

        A host knows. A callback's word holds for the calls until its next one; where the clock goes
        on without one, it was not given to that pipeline, or the sampling was broken off.

        Args:
            report: the run's, in which a host or a callback reports the position.
            timestep: what the model is called with.
            pass_name: the pass that holds where nobody reports one.
        """
        position = report.position
        announced = position.announced
        if announced is None and (reported := position.moment) is not None:
            if reported.sampler or not self.clock.schedule:
                return reported
            return dataclasses.replace(reported, sampler=self.clock.schedule.sampler)
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
        sampler = self.clock.schedule.sampler if self.clock.schedule else None
        reported = position.moment
        return dataclasses.replace(reported, sampler=sampler) if reported else None


class Lanes:
    """The lanes of a run, one for each thread or asyncio task that calls a model in it."""

    def __init__(self, samplings: Numbers) -> None:
        self._samplings = samplings
        self._lanes: weakref.WeakKeyDictionary[Any, Lane] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Begin anew; calls that are under way go on."""
        with self._lock:
            self._lanes.clear()

    def open(self) -> Lane:
        """The lane of the thread or task that asks."""
        owner = caller()
        with self._lock:
            lane = self._lanes.get(owner)
            if lane is None:
                lane = self._lanes[owner] = Lane(self._samplings)
        return lane


def as_number(timestep: Any) -> float | None:
    """A timestep as one number, of a batch its largest; None where it is none."""
    if isinstance(timestep, torch.Tensor):
        if timestep.numel() == 0 or timestep.is_meta or graphs.is_exporting():
            return None
        if timestep.is_cuda and torch.cuda.is_current_stream_capturing():
            # a CUDA graph is being recorded, and then nothing may be read back
            return None
        return float(timestep.max() if timestep.numel() > 1 else timestep)
    return float(timestep) if isinstance(timestep, (int, float)) else None
