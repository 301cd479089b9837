"""Where a diffusers pipeline is in its steps, told to a report by the pipeline's own callback."""

from __future__ import annotations

from typing import Any

from diffusers.callbacks import PipelineCallback

from ..report import Report


class StepProgress(PipelineCallback):
    """A `callback_on_step_end` for settings with a start or an end, and for counted steps.

        with token_downsampling(Settings(end=0.6)) as report:
            pipe(prompt, callback_on_step_end=StepProgress(report))

    A pipeline calls it after each step, and so it announces the next one. It asks for
    `tensor_inputs` once at the start of each call, which is when the first step is announced: a
    second `pipe()` in the same `with` starts anew, also where the call before was interrupted. To
    use it beside a callback of your own, put both into diffusers' `MultiPipelineCallbacks`.

    Args:
        report: what `token_downsampling` gave.
        pass_name: "first", or "hires" for the second pass over an enlarged picture.
    """

    def __init__(self, report: Report, pass_name: str = "first") -> None:
        super().__init__()
        self._report = report
        self._pass_name = pass_name

    @property
    def tensor_inputs(self) -> list[str]:
        """No tensors; asked for when a call of the pipeline starts."""
        self._report.progress(0, 1, self._pass_name)
        return []

    def callback_fn(
        self, pipeline: Any, step_index: int, timesteps: Any, callback_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Announce the step after `step_index`, or that all are behind."""
        total = pipeline.num_timesteps
        # a second-order scheduler evaluates the model twice in nearly every step
        shown = -(-total // pipeline.scheduler.order)
        self._report.progress(step_index + 1, total, self._pass_name, shown_steps=shown)
        return callback_kwargs
