"""Where a sampling stands: its pass, step and evaluation. Window and phase depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PASS_NAMES = ("first", "hires")

# a sampling's number, its pass, and the step as the user counts it
Step = tuple[int, str, int]


class Moment(NamedTuple):
    """Where one evaluation of the model stands. What is not known is None.

    Attributes:
        pass_name: "first" or "hires".
        sampling: the sampling's number.
        step: a number that differs from one step of the sampler to the next.
        fraction: how much of the pass is done, from 0 to 1.
        shown_step: the step as the user counts it.
        sampler: its name, from a host or a scheduler.
        reported: whether a host reported it. Else it follows from timesteps: those of a scheduler,
            or, without a `shown_step`, only those that the model was called with.
        sigmas: the noise levels of the sampler's schedule; empty where they are not known.
    """

    pass_name: str = "first"
    sampling: int = 0
    step: int | None = None
    fraction: float | None = None
    shown_step: Step | None = None
    sampler: str | None = None
    reported: bool = False
    sigmas: tuple[float, ...] = ()

    @property
    def counts_steps(self) -> bool:
        """Whether the number of steps is known, not only where one ends and the next begins."""
        return self.reported or self.shown_step is not None

    def samples_like(self, other: Moment) -> bool:
        """Whether the other is known to be of the same sampler, with the same schedule."""
        is_like = self.sampler == other.sampler and self.reported == other.reported
        return is_like and self.sigmas == other.sigmas


class Position:
    """The position of a sampling, as a host reports it.

    `moment` is None until the first `advance` of a sampling; `evaluation` grows by one with each
    report. `sampler` and `sigmas` are the host's to set before it reports, see `Moment`.

    Args:
        samplings: the numbers of the samplings, each drawn once, also by several threads.
    """

    def __init__(self, samplings: Iterator[int]) -> None:
        self.pass_name = "first"
        self.step = 0
        self.evaluation = 0
        self.sampler: str | None = None
        self.sigmas: tuple[float, ...] = ()
        self.moment: Moment | None = None
        self._samplings = samplings

    def expect_sampling(self) -> None:
        """Say that the next evaluation begins a new sampling, of which nothing is known yet."""
        self.evaluation += 1
        self.moment = None

    def advance(
        self, step: int, total: int, pass_name: str = "first", shown_steps: int | None = None
    ) -> Step:
        """Report where the sampling is, see `Report.progress`; returns the step that it is in."""
        if total < 1 or step < 0 or pass_name not in PASS_NAMES:
            raise ValueError(
                f"ToDo: progress({step!r}, {total!r}, {pass_name!r}): step must be 0 or more, "
                f"total 1 or more, pass_name {' or '.join(PASS_NAMES)}"
            )
        goes_on = step >= self.step and pass_name == self.pass_name
        if self.moment is not None and self.moment.reported and goes_on:
            sampling = self.moment.sampling
        else:
            sampling = next(self._samplings)
        self.evaluation += 1
        self.step, self.pass_name = step, pass_name
        shown_steps = shown_steps or total
        evaluations = max(1, round(total / shown_steps))
        # a sampler that exceeds its step count (Restart) gets further steps, and stays in the last
        # one of the window
        counted = min(step, total - 1)
        shown = sampling, pass_name, counted * shown_steps // total
        place = pass_name, sampling, step // evaluations, counted / total, shown
        self.moment = Moment(*place, self.sampler, reported=True, sigmas=self.sigmas)
        return shown
