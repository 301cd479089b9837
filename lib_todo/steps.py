"""The step that a call of a model is in: by a host, a callback, a scheduler, or by timesteps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .position import Moment
from .report import Report
from .schedulers import Schedule, as_number


class Steps:
    """Follows the samplings of one thread or task, by the timesteps that models are called with.

    Calls at one timestep belong to one step (cond and uncond apart, ControlNet and the U-Net, both
    evaluations of Heun that meet at it). With a schedule, a timestep that stands in it before the
    last one begins a new sampling; without, one above the last one does. Each sampling draws one of
    the numbers `samplings`.
    """

    def __init__(self, samplings: Iterator[int] | None = None) -> None:
        self.sampling = 0
        self.step = 0
        self.schedule: Schedule | None = None
        # the pass that a host names; timesteps do not tell it
        self.pass_name = "first"
        self._samplings = samplings or itertools.count(1)
        self._first = 0.0
        self._last: float | None = None
        # places in the schedule: of the sampling's first call, and of the last one
        self._begin: int | None = None
        self._place: int | None = None
        # whether the schedule is gone through backwards, as inversion does
        self._rises = False
        # when a callback was heard last, and the sampling and step by timesteps at that call
        self._heard = -1
        self._at: tuple[int, int] | None = None

    def moment(self, report: Report, timestep: Any, pass_name: str = "first") -> Moment | None:
        """Where a call of the model at `timestep` stands, by what knows it best.

        A host knows. A callback's word holds for the calls until its next one; where the timesteps
        go on without one, it was not given to that pipeline, or the sampling was broken off.

        Args:
            report: the run's, in which a host or a callback reports the position.
            timestep: what the model is called with.
            pass_name: the pass that holds where nobody reports one.
        """
        position = report.position
        announced = position.announced
        if announced is None and (reported := position.moment) is not None:
            return reported if reported.sampler else reported._replace(sampler=self.sampler)
        self.pass_name = pass_name
        if announced is None:
            position.pass_name = pass_name
        # read back from its device only where nothing else tells it
        value = self.schedule.number(timestep) if self.schedule else None
        if value is None:
            value = as_number(timestep)
        now = None
        if value is not None:
            self.see(value)
            now = self.sampling, self.step
        if announced is not None:
            return self._by_callback(report, announced, now)
        moment = self.by_timesteps if now else None
        # a host that has not begun to count may have named the sampler
        return moment and moment._replace(sampler=moment.sampler or position.sampler)

    def _by_callback(
        self, report: Report, announced: str, now: tuple[int, int] | None
    ) -> Moment | None:
        position = report.position
        another_sampling = now is not None and self._at is not None and now[0] != self._at[0]
        if position.current_step is None or another_sampling:
            position = report.own_position()
            position.expect_sampling()
            position.advance(0, 1, announced)
        if position.evaluation != self._heard:
            self._heard, self._at = position.evaluation, now
        elif now != self._at:
            return self.by_timesteps
        reported = position.moment
        return reported and reported._replace(sampler=self.sampler, sigmas=self.sigmas)

    def expect_sampling(self, schedule: Schedule | None = None) -> None:
        """Say that the next call begins a sampling, since a scheduler was set to new timesteps."""
        self.schedule = schedule
        self._last = self._begin = self._place = None

    def see(self, timestep: float) -> None:
        """Note one call of the model."""
        place = self._find(timestep)
        if self._last is None or self._goes_back(timestep, place):
            self.sampling = next(self._samplings)
            self.step = 0
            self._first, self._begin, self._rises = timestep, place, False
        elif timestep != self._last:
            self.step += 1
        self._last, self._place = timestep, place

    def _find(self, timestep: float) -> int | None:
        places = self.schedule.places if self.schedule else ()
        here = self._place or 0
        if timestep in places[here:]:
            return places.index(timestep, here)
        return places.index(timestep) if timestep in places else None

    def _goes_back(self, timestep: float, place: int | None) -> bool:
        if place is None or self._place is None or self.schedule is None:
            return self._last is not None and timestep > self._last
        if place == self._place:
            return False
        if self.step == 0 and self._place == len(self.schedule.places) - 1 == place + 1:
            # from the last timestep to the one before it: DDIM inversion, by hand
            self._rises = True
        return (place < self._place) != self._rises

    def _done_of(self) -> tuple[int, int] | None:
        """How many of the sampling's timesteps are behind, of how many; None without a schedule."""
        if not self.schedule or self._begin is None or self._place is None:
            return None
        if self._rises:
            return self._begin - self._place, self._begin + 1
        return self._place - self._begin, len(self.schedule.places) - self._begin

    @property
    def sampler(self) -> str | None:
        """The scheduler's class; None where none was seen."""
        return self.schedule.sampler if self.schedule else None

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The noise levels of the sampling's steps, and the one after; empty if not known."""
        if not self.schedule or self._begin is None or self._rises:
            return ()
        return self.schedule.sigmas[self._begin // self.schedule.a_step :]

    @property
    def by_timesteps(self) -> Moment | None:
        """Where the last call stands; None before the first.

        The fraction is that of the schedule's timesteps; without one, of the way from the
        sampling's first to 0.
        """
        if self._last is None:
            return None
        fraction, shown, known = None, None, self._done_of()
        if self.schedule and known:
            done, total = known
            fraction = done / total
            steps = -(-total // self.schedule.a_step)
            shown = (self.sampling, self.pass_name, done * steps // total)
        elif self._first > 0:
            fraction = min(max(1 - self._last / self._first, 0.0), 1.0)
        return Moment(
            self.pass_name,
            sampling=self.sampling,
            step=self.step,
            fraction=fraction,
            shown_step=shown,
            sampler=self.sampler,
            scheduled=shown is not None,
            sigmas=self.sigmas,
        )
