"""Where a diffusers pipeline is in its steps, told to a report by the pipeline's own callback."""

from __future__ import annotations

import itertools
from typing import Any

from diffusers.callbacks import PipelineCallback

from ..report import Report
from ..schedulers import timesteps_of


class StepProgress(PipelineCallback):
    """A `callback_on_step_end` that tells a report the steps exactly, and the pass by its name.

        with token_downsampling(Settings(end=0.6)) as report:
            pipe(prompt, callback_on_step_end=StepProgress(report))

    Most pipelines need none: the scheduler's timesteps tell the steps. It is for those that stop
    early (`denoising_end`), for both evaluations of a second-order scheduler's step, for pipelines
    without a scheduler of diffusers, and for the second pass over an enlarged picture.

    A pipeline calls it after each step, and so it announces the next one. To use it beside a
    callback of your own, put both into diffusers' `MultiPipelineCallbacks`.

    Args:
        report: what `token_downsampling` gave, or a binding's.
        pass_name: "first", or "hires" for the second pass over an enlarged picture. Pipelines that
            do not ask for `tensor_inputs` (AnimateDiff, LCM, PAG) count their first step to the
            pass of the object made last: make each just before the call that it is for.

    Raises:
        ValueError: an unknown pass.
    """

    def __init__(self, report: Report, pass_name: str = "first") -> None:
        super().__init__()
        self._report, self._pass_name = report, pass_name
        # of the call that is under way: how often the pipeline calls back, and the user's steps
        self._evaluations, self._steps = 0, 0
        self._announce()

    def _announce(self) -> None:
        self._report.own_position().announce(self._pass_name)

    @property
    def tensor_inputs(self) -> list[str]:
        """No tensors. The next sampling is of this object's pass; nothing else comes of asking."""
        self._announce()
        return []

    def callback_fn(
        self, pipeline: Any, step_index: int, timesteps: Any, callback_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Announce the step after `step_index`, or that the next evaluation is a first one."""
        position = self._report.own_position()
        position.announce(self._pass_name)
        # in how many steps of its loop the pipeline calls back, where it says so
        scheduler = getattr(pipeline, "scheduler", None)
        total = getattr(pipeline, "num_timesteps", None) or len(timesteps_of(scheduler))
        if not total:
            return callback_kwargs
        if step_index == 0 or total != self._evaluations:
            self._evaluations, self._steps = total, _steps(scheduler, total)
        if step_index + 1 < total:
            position.advance(step_index + 1, total, self._pass_name, self._steps)
        else:
            position.expect_sampling()
        return callback_kwargs


def _steps(scheduler: Any, evaluations: int) -> int:
    """The steps that a user knows of, in the last `evaluations` of the scheduler's timesteps."""
    # a second-order scheduler evaluates the model twice in nearly every step
    steps = -(-evaluations // getattr(scheduler, "order", 1))
    timesteps = timesteps_of(scheduler)[-evaluations:]
    # PNDM evaluates it twice at its second timestep
    return min(steps, sum(1 for _ in itertools.groupby(timesteps)) or steps)
