"""Where a sampling is: pass, step and evaluation. Window, phase and pass filter read it."""

from __future__ import annotations

import dataclasses

PASS_NAMES = ("first", "hires")

# a sampling's number, its pass, and the step as the user counts it
Step = tuple[int, str, int]


@dataclasses.dataclass(frozen=True)
class Moment:
    """Where one evaluation of the model stands.

    `step` tells the sampler's steps apart, None where nobody knows them; `fraction` of the pass is
    behind, None likewise; `shown_step` is the step as the user counts it, None where that is not
    known. `sampler` is its name where a host or a scheduler told it. `told`: by a host or a
    callback, not by the timesteps. `foreign`: it is another generation's.
    """

    pass_name: str = "first"
    sampling: int = 0
    step: int | None = None
    fraction: float | None = None
    shown_step: Step | None = None
    sampler: str | None = None
    foreign: bool = False
    told: bool = False


class Position:
    """What a host or a callback has told of the sampling.

    `step` of `total` evaluations of the pass `pass_name` are behind, counted from 0; `evaluation`
    grows by one with everything told; `foreign_evaluation` says that another generation calls the
    model just now. `current_step` is None until the first `advance`.
    """

    def __init__(self) -> None:
        self.pass_name = "first"
        self.step = 0
        self.total = 1
        self.evaluation = 0
        self.foreign_evaluation = False
        self.sampler: str | None = None
        self.current_step: Step | None = None
        self._shown_steps = 1
        self._sampling = 0
        self._sampling_expected = True

    def expect_sampling(self) -> None:
        """Say that the next `advance` begins a sampling of its own, whatever its step."""
        self.evaluation += 1
        self._sampling_expected = True

    def advance(
        self, step: int, total: int, pass_name: str = "first", shown_steps: int | None = None
    ) -> Step:
        """Say where the sampling is, see `Report.progress`, and get the step that it is in.

        Raises:
            ValueError: total below 1, a negative step, or an unknown pass.
        """
        if total < 1 or step < 0 or pass_name not in PASS_NAMES:
            raise ValueError(
                f"ToDo: progress({step!r}, {total!r}, {pass_name!r}): step must be 0 or more, "
                "total 1 or more, pass_name first or hires"
            )
        if step < self.step or pass_name != self.pass_name or self._sampling_expected:
            self._sampling += 1
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
        """Where the sampling was said to be; None where nobody has said anything yet."""
        if self.current_step is None:
            return Moment(foreign=True) if self.foreign_evaluation else None
        # not clamped: a sampler that runs past its count (Restart) goes on with its steps
        evaluations = max(1, round(self.total / self._shown_steps))
        return Moment(
            self.pass_name,
            self._sampling,
            self.step // evaluations,
            # samplers that run past their own count stay in their last step
            min(self.step, self.total - 1) / self.total,
            self.current_step,
            self.sampler,
            self.foreign_evaluation,
            told=True,
        )


class TimestepClock:
    """Steps told apart by the timesteps that the model itself is called with.

    Calls at one timestep belong to one step (cond and uncond apart, ControlNet and the U-Net, both
    evaluations of Heun that meet at it). A timestep above the one before begins a new sampling.
    """

    def __init__(self) -> None:
        self.sampling = 0
        self.step = 0
        self._first = 0.0
        self._last: float | None = None

    def expect_sampling(self) -> None:
        """Say that the next call begins a sampling of its own, whatever its timestep."""
        self._last = None

    def see(self, timestep: float) -> None:
        """Note one call of the model."""
        if self._last is None or timestep > self._last:
            self.sampling += 1
            self.step = 0
            self._first = timestep
        elif timestep < self._last:
            self.step += 1
        self._last = timestep

    @property
    def fraction(self) -> float | None:
        """How much of the way from the sampling's first timestep to 0 is behind, from 0 to 1."""
        if self._last is None or self._first <= 0:
            return None
        return min(max(1 - self._last / self._first, 0.0), 1.0)
