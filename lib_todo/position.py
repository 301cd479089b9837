"""Where a sampling is: pass, step and evaluation. Window, phase and pass filter read it."""

from __future__ import annotations

import dataclasses

from .callers import Numbers

PASS_NAMES = ("first", "hires")

# a sampling's number, its pass, and the step as the user counts it
Step = tuple[int, str, int]


@dataclasses.dataclass(frozen=True)
class Moment:
    """Where one evaluation of the model stands.

    `step` tells the sampler's steps apart, None where nobody knows them; `fraction` of the pass is
    behind, None likewise; `shown_step` is the step as the user counts it, None where that is not
    known. `sampler` is its name where a host or a scheduler told it. `told`: by a host or a
    callback; `scheduled`: by a scheduler's timesteps; neither: by those of the model's own calls
    alone, or not at all. `foreign`: it is another generation's.
    """

    pass_name: str = "first"
    sampling: int = 0
    step: int | None = None
    fraction: float | None = None
    shown_step: Step | None = None
    sampler: str | None = None
    foreign: bool = False
    told: bool = False
    scheduled: bool = False

    @property
    def counts_steps(self) -> bool:
        """Whether the number of steps is known, and not only that one differs from the next."""
        return self.told or self.scheduled


class Position:
    """What a host or a callback has told of the sampling.

    `step` of `total` evaluations of the pass `pass_name` are behind, counted from 0; `evaluation`
    grows by one with everything told; `foreign_evaluation` says that another generation calls the
    model just now. `current_step` is None until the first `advance` of a sampling. `announced` is
    the pass that a callback expects its next sampling to be; None where no callback tells.

    Args:
        samplings: the numbers of the samplings, drawn one by one.
    """

    def __init__(self, samplings: Numbers | None = None) -> None:
        self.pass_name = "first"
        self.step = 0
        self.total = 1
        self.evaluation = 0
        self.foreign_evaluation = False
        self.sampler: str | None = None
        self.current_step: Step | None = None
        self.announced: str | None = None
        self._shown_steps = 1
        self._samplings = samplings or Numbers(1)
        self._sampling = 0
        self._sampling_expected = True

    def announce(self, pass_name: str) -> None:
        """Say that a callback tells the steps, and that its next sampling is of that pass.

        Raises:
            ValueError: an unknown pass.
        """
        if pass_name not in PASS_NAMES:
            allowed = " or ".join(PASS_NAMES)
            raise ValueError(f"ToDo: pass_name={pass_name!r}: must be {allowed}")
        self.announced = pass_name

    def expect_sampling(self) -> None:
        """Say that the next evaluation begins a sampling of its own; nothing is known of it yet."""
        self.evaluation += 1
        self.foreign_evaluation = False
        self.current_step = None
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
                f"total 1 or more, pass_name {' or '.join(PASS_NAMES)}"
            )
        if step < self.step or pass_name != self.pass_name or self._sampling_expected:
            self._sampling = self._samplings.draw()
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
