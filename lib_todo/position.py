"""Where a sampling stands: its pass, step and evaluation. Window and phase depend on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

PASS_NAMES = ("first", "hires")

# a sampling's number, its pass, and the step as the user counts it
Step = tuple[int, str, int]


class Moment(NamedTuple):
    """Where one evaluation of the model stands.

    What is not known is None.

    Attributes:
        pass_name: "first" or "hires".
        sampling: the sampling's number.
        step: a number that differs from one step of the sampler to the next.
        fraction: how much of the pass is done, from 0 to 1.
        shown_step: the step as the user counts it.
        sampler: its name, from a host or a scheduler.
        foreign: whether the call belongs to another generation.
        reported: whether a host or a callback reported the position.
        scheduled: whether it follows from a scheduler's timesteps. Where neither holds, it was
            guessed from the timesteps of the model's calls.
        sigmas: the noise levels of the sampler's schedule; empty where they are not known.
    """

    pass_name: str = "first"
    sampling: int = 0
    step: int | None = None
    fraction: float | None = None
    shown_step: Step | None = None
    sampler: str | None = None
    foreign: bool = False
    reported: bool = False
    scheduled: bool = False
    sigmas: tuple[float, ...] = ()

    @property
    def counts_steps(self) -> bool:
        """Whether the number of steps is known, not only where one ends and the next begins."""
        return self.reported or self.scheduled

    def samples_like(self, other: Moment) -> bool:
        """Whether the other is known to be of the same sampler, with the same schedule."""
        is_like = self.sampler == other.sampler and self.reported == other.reported
        return is_like and self.sigmas == other.sigmas


class Position:
    """The position of a sampling, as a host or a callback reports it.

    `step` of `total` evaluations of the pass `pass_name` are done; `evaluation` grows by one with
    each report; `foreign_evaluation` says that another generation calls the model just now.
    `current_step` is None until the first `advance` of a sampling. `announced` is the pass of the
    next sampling that a callback reports on; None where there is no callback. `sampler` and
    `sigmas` are a host's to set, see `Moment`.

    Args:
        samplings: the numbers of the samplings, each drawn once, also by several threads.
    """

    def __init__(self, samplings: Iterator[int] | None = None) -> None:
        self.pass_name = "first"
        self.step = 0
        self.total = 1
        self.evaluation = 0
        self.foreign_evaluation = False
        self.sampler: str | None = None
        self.sigmas: tuple[float, ...] = ()
        self.current_step: Step | None = None
        self.announced: str | None = None
        self._shown_steps = 1
        self._samplings = samplings or itertools.count(1)
        self._sampling = 0
        self._sampling_expected = True

    def announce(self, pass_name: str) -> None:
        """Say that a callback will report the steps, and that its next sampling is of that pass.

        Raises:
            ValueError: an unknown pass.
        """
        if pass_name not in PASS_NAMES:
            allowed = " or ".join(PASS_NAMES)
            raise ValueError(f"ToDo: pass_name={pass_name!r}: must be {allowed}")
        self.announced = pass_name

    def expect_sampling(self) -> None:
        """Say that the next evaluation begins a new sampling, of which nothing is known yet."""
        self.evaluation += 1
        self.foreign_evaluation = False
        self.current_step = None
        self._sampling_expected = True

    def advance(
        self, step: int, total: int, pass_name: str = "first", shown_steps: int | None = None
    ) -> Step:
        """Report where the sampling is, see `Report.progress`; returns the step that it is in.

        Raises:
            ValueError: total below 1, a negative step, or an unknown pass.
        """
        if total < 1 or step < 0 or pass_name not in PASS_NAMES:
            raise ValueError(
                f"ToDo: progress({step!r}, {total!r}, {pass_name!r}): step must be 0 or more, "
                f"total 1 or more, pass_name {' or '.join(PASS_NAMES)}"
            )
        if step < self.step or pass_name != self.pass_name or self._sampling_expected:
            self._sampling = next(self._samplings)
        self.evaluation += 1
        self._sampling_expected = False
        self.step, self.total, self.pass_name = step, total, pass_name
        self._shown_steps = shown_steps or total
        self.foreign_evaluation = False
        shown = min(step, total - 1) * self._shown_steps // total
        self.current_step = (self._sampling, pass_name, shown)
        return self.current_step

    def pause(self) -> None:
        """Say that another generation calls the model until the next `advance`."""
        self.foreign_evaluation = True

    @property
    def moment(self) -> Moment | None:
        """The position last reported; None before the first report."""
        if self.current_step is None:
            return Moment(foreign=True) if self.foreign_evaluation else None
        # not clamped: a sampler that exceeds its step count (Restart) gets further steps
        evaluations = max(1, round(self.total / self._shown_steps))
        return Moment(
            self.pass_name,
            self._sampling,
            self.step // evaluations,
            # clamped: for the window, such a sampler stays in its last step
            min(self.step, self.total - 1) / self.total,
            self.current_step,
            self.sampler,
            self.foreign_evaluation,
            reported=True,
            sigmas=self.sigmas,
        )
