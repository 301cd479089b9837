"""The step that a call of a model is in, by what knows it best: a host, a callback, a scheduler."""

from __future__ import annotations

import dataclasses
from typing import Any

from .callers import Numbers
from .clock import Schedule, TimestepClock
from .position import Moment
from .report import Report
from .schedulers import as_number


class Steps:
    """Follows the samplings of one thread or task.

    Args:
        samplings: the numbers of the samplings, drawn one by one.
    """

    def __init__(self, samplings: Numbers) -> None:
        self._clock = TimestepClock(samplings)
        # when a callback was heard last, and the clock's sampling and step at that call
        self._heard = -1
        self._at: tuple[int, int] | None = None

    def expect_sampling(self, schedule: Schedule) -> None:
        """Say that a scheduler was set to new timesteps."""
        self._clock.expect_sampling(schedule)

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
            if reported.sampler or not self._clock.schedule:
                return reported
            return dataclasses.replace(reported, sampler=self._clock.schedule.sampler)
        self._clock.pass_name = pass_name
        if announced is None:
            position.pass_name = pass_name
        value, now = self._number(timestep), None
        if value is not None:
            self._clock.see(value)
            now = self._clock.sampling, self._clock.step
        if announced is not None:
            return self._by_callback(report, announced, now)
        moment = self._clock.moment if now else None
        if moment is None or moment.sampler:
            return moment
        # a host that has not begun to count may have named the sampler
        return dataclasses.replace(moment, sampler=position.sampler)

    def _number(self, timestep: Any) -> float | None:
        """The timestep as a number, read back from its device only where nothing else tells it."""
        taken = self._clock.schedule.taken if self._clock.schedule else None
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
            return self._clock.moment
        sampler = self._clock.schedule.sampler if self._clock.schedule else None
        sigmas, reported = self._clock.sigmas, position.moment
        return dataclasses.replace(reported, sampler=sampler, sigmas=sigmas) if reported else None
