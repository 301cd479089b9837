"""Where a sampling is: pass, step and evaluation. Window, phase and pass filter read it."""

from __future__ import annotations

PASS_NAMES = ("first", "hires")

# a sampling's number, its pass, and the step as the user counts it
Step = tuple[int, str, int]


class Position:
    """What the sampler has told so far.

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
        self.current_step: Step | None = None
        self._sampling = 0
        self._sampling_expected = True

    def expect_sampling(self) -> None:
        """Say that the next `advance` begins a sampling of its own, whatever its step."""
        self.evaluation += 1
        self._sampling_expected = True

    def advance(
        self, step: int, total: int, pass_name: str = "first", shown_steps: int | None = None
    ) -> None:
        """Say where the sampling is; see `Report.progress`.

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
        self.foreign_evaluation = False
        shown = min(step, total - 1) * (shown_steps or total) // total
        self.current_step = (self._sampling, pass_name, shown)

    def pause(self) -> None:
        """Say that another generation calls the model until the next `advance`."""
        self.foreign_evaluation = True
