"""The step that a call of a model is in: by a host, or by timesteps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .position import Moment, Step
from .report import Report
from .schedulers import Schedule, as_number


class Steps:
    """Follows the samplings of one thread or task, by the timesteps that models are called with.

    Calls at one timestep belong to one step (cond and uncond apart, ControlNet and the U-Net, both
    evaluations of Heun that meet at it). With a schedule, a timestep that stands in it before the
    last one begins a new sampling; without, one above the last one does. Each sampling draws one of
    the numbers `samplings`.
    """

    def __init__(self, samplings: Iterator[int]) -> None:
        self.sampling = 0
        self.step = 0
        self.schedule: Schedule | None = None
        self._samplings = samplings
        self._first = 0.0
        self._last: float | None = None
        # places in the schedule: of the sampling's first call, and of the last one
        self._begin: int | None = None
        self._place: int | None = None
        # whether the schedule is gone through backwards, as inversion does
        self._rises = False

    def moment(self, report: Report, timestep: Any, pass_name: str = "first") -> Moment | None:
        """Where a call of the model stands: as a host reported it, or else by its timestep.

        Args:
            report: the run's, which has the position that a host reported.
            timestep: what the model is called with.
            pass_name: the pass that holds where no host reports one.
        """
        position, sampler = report.position, self.schedule.sampler if self.schedule else None
        reported = position.moment
        if reported is not None:
            return reported if reported.sampler else reported._replace(sampler=sampler)
        position.pass_name = pass_name
        # read back from its device only where nothing else tells it
        value = self.schedule.number(timestep) if self.schedule else None
        if value is None and (value := as_number(timestep)) is None:
            return None
        return self.see(value, pass_name, sampler)

    def expect_sampling(self, schedule: Schedule | None = None) -> None:
        """Say that the next call begins a sampling, since a scheduler was set to new timesteps."""
        self.schedule = schedule
        self._last = self._begin = self._place = None

    def see(self, timestep: float, pass_name: str = "first", sampler: str | None = None) -> Moment:
        """Note one call of the model; where it stands."""
        place = self._find(timestep)
        if self._last is None or self._goes_back(timestep, place):
            self.sampling = next(self._samplings)
            self.step = 0
            self._first, self._begin, self._rises = timestep, place, False
        elif timestep != self._last:
            self.step += 1
        self._last, self._place = timestep, place
        schedule, begin = self.schedule, self._begin
        fraction: float | None = None
        shown: Step | None = None
        sigmas: tuple[float, ...] = ()
        if schedule is not None and begin is not None:
            if not self._rises:
                sigmas = schedule.sigmas[begin // schedule.a_step :]
            if place is not None:
                done = begin - place if self._rises else place - begin
                total = begin + 1 if self._rises else len(schedule.places) - begin
                fraction, steps = done / total, -(-total // schedule.a_step)
                shown = self.sampling, pass_name, done * steps // total
        if shown is None and self._first > 0:
            # of the way from the sampling's first timestep to 0
            fraction = min(max(1 - timestep / self._first, 0.0), 1.0)
        return Moment(pass_name, self.sampling, self.step, fraction, shown, sampler, sigmas=sigmas)

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
