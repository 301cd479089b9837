"""Steps told apart by the timesteps that a model is called with, and by a scheduler's schedule."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from .callers import Numbers
from .position import Moment


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The timesteps that a scheduler was set to.

    `sampler` is the name of the scheduler's class. `places` are its timesteps in their order, each
    run of equal ones (Heun, PNDM) once; empty where they are not known. `a_step` of them, at most,
    are one step of the user's (2 for KDPM2, which looks at a second timestep in each step).
    `sigmas` are the noise levels of these steps, and the one after; empty where they are not known.
    """

    sampler: str
    places: tuple[float, ...] = ()
    a_step: int = 1
    # finds the number of a timestep that a pipeline took from the scheduler, see `schedulers`
    taken: Callable[[Any], float | None] | None = None
    sigmas: tuple[float, ...] = ()


class TimestepClock:
    """Where a sampling is, by the timesteps that the model itself is called with.

    Calls at one timestep belong to one step (cond and uncond apart, ControlNet and the U-Net, both
    evaluations of Heun that meet at it). With a schedule, a timestep that stands in it before the
    last one begins a new sampling; without, one above the last one does. Each sampling draws one of
    the numbers `samplings`.
    """

    def __init__(self, samplings: Numbers | None = None) -> None:
        self.sampling = 0
        self.step = 0
        self.schedule: Schedule | None = None
        # the pass that a host names; timesteps do not tell it
        self.pass_name = "first"
        self._samplings = samplings or Numbers(1)
        self._first = 0.0
        self._last: float | None = None
        # places in the schedule: of the sampling's first call, and of the last one
        self._begin: int | None = None
        self._place: int | None = None
        # whether the schedule is gone through backwards, as inversion does
        self._rises = False

    def expect_sampling(self, schedule: Schedule | None = None) -> None:
        """Say that the next call begins a sampling of its own, whatever its timestep."""
        self.schedule = schedule
        self._last = self._begin = self._place = None

    def see(self, timestep: float) -> None:
        """Note one call of the model."""
        place = self._find(timestep)
        if self._last is None or self._goes_back(timestep, place):
            self.sampling = self._samplings.draw()
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
    def sigmas(self) -> tuple[float, ...]:
        """The noise levels of the sampling's steps, and the one after; empty if not known."""
        if not self.schedule or self._begin is None or self._rises:
            return ()
        return self.schedule.sigmas[self._begin // self.schedule.a_step :]

    @property
    def fraction(self) -> float | None:
        """How much of the sampling is behind, from 0 to 1; None where that is not known.

        Of the schedule's timesteps; without one, of the way from the sampling's first to 0.
        """
        known = self._done_of()
        if known:
            return known[0] / known[1]
        if self._last is None or self._first <= 0:
            return None
        return min(max(1 - self._last / self._first, 0.0), 1.0)

    @property
    def moment(self) -> Moment | None:
        """Where the last call stands; None before the first."""
        if self._last is None:
            return None
        shown = None
        known = self._done_of()
        if self.schedule and known:
            done, total = known
            steps = -(-total // self.schedule.a_step)
            shown = (self.sampling, self.pass_name, done * steps // total)
        return Moment(
            self.pass_name,
            sampling=self.sampling,
            step=self.step,
            fraction=self.fraction,
            shown_step=shown,
            sampler=self.schedule.sampler if self.schedule else None,
            scheduled=shown is not None,
            sigmas=self.sigmas,
        )
