"""StepProgress: pipelines that ask for nothing, looking at it, broken-off calls, odd counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import DDIMScheduler
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from pipeline_loop import Loop
from self_attention import keys_computed
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.hosts.diffusers import StepProgress

WHOLE, POOLED = 192, 48
HALF = paper(factor=2, threshold=8, end=0.5)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return models.sd_pipeline(tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="module")
def unet() -> Any:
    return models.unet()


class WithoutCount(Loop):
    """The same of one that has no `num_timesteps`, as LEDITS++'s."""

    num_timesteps = property(lambda self: None, lambda self, _: None)


@pytest.mark.parametrize("kind", [Loop, WithoutCount])
@pytest.mark.parametrize(("tells", "times"), [(True, 2), (False, 1)])
def test_a_pipeline_that_does_not_ask(unet: Any, kind: type[Loop], tells: bool, times: int) -> None:
    """One that tells nothing leaves it to the timesteps."""
    loop = kind(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)
        for _ in range(times):
            seen = loop(progress if tells else lambda _, *args: progress(object(), *args))
            assert seen == [POOLED, POOLED, WHOLE, WHOLE]
        with pytest.raises(ValueError, match="pass_name='second': must be first or hires"):
            StepProgress(report, "second")
    assert report.steps == (2 * times, 4 * times)


@pytest.mark.parametrize("at", ["before", "inside", "between"])
def test_looking_at_it_changes_nothing(unet: Any, at: str) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)

        def look(*_: Any) -> dict:
            before = report.to_dict(), dict(vars(report.position))
            assert progress.tensor_inputs == progress.tensor_inputs == []
            assert (report.to_dict(), vars(report.position)) == before
            return {}

        def told(*args: Any) -> dict:
            return look() if args[1] == 1 and at == "inside" else {}

        if at == "before":
            look()
        for _ in range(2):
            seen = loop(lambda *args: (progress(*args), told(*args)))
            assert seen == [POOLED, POOLED, WHOLE, WHOLE]
            if at == "between":
                look()
    assert report.steps == (4, 8)


def test_a_call_after_a_broken_off_one_begins_anew(unet: Any) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)
        assert loop(progress, stop_after=2) == [POOLED, POOLED, WHOLE]
        assert loop(progress) == [POOLED, POOLED, WHOLE, WHOLE]
    # the fourth step of the first call was announced, and never came
    assert report.steps == (4, 7)


def test_told_by_a_host_and_entered_again(unet: Any) -> None:
    downsampling = token_downsampling(HALF)
    with downsampling as report:
        report.progress(9, 10)
    with downsampling, keys_computed(unet) as seen:
        unet(torch.randn(2, 4, 16, 12), 999, torch.randn(2, 5, models.TEXT_WIDTH))
    assert seen[0] == (WHOLE, POOLED)


def test_without_a_callback_a_call_with_one_before_has_no_say(unet: Any) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        loop(StepProgress(report))
        assert loop() == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (4, 8)


def draw(pipe: Any, progress: Any, steps: int) -> None:
    pipe(
        "a fox",
        height=128,
        width=96,
        num_inference_steps=steps,
        output_type="latent",
        callback_on_step_end=progress,
    )


def test_the_pass_of_each_call(pipe: Any) -> None:
    with token_downsampling(paper(factor=2, threshold=8, passes="hires")) as report:
        first, hires = StepProgress(report), StepProgress(report, "hires")
        for progress in (first, hires, first):
            draw(pipe, progress, 2)
    assert tuple(report.passes[name].steps for name in ("first", "hires")) == ((0, 4), (2, 2))


class Stop(PipelineCallback):
    tensor_inputs: list[str] = []  # noqa: RUF012  read by the pipeline, never changed

    def callback_fn(self, pipeline: Any, step_index: int, timestep: Any, kwargs: dict) -> dict:
        pipeline._interrupt = step_index == 1
        return kwargs


def test_an_interrupted_call_counts_the_steps_that_ran(pipe: Any) -> None:
    with token_downsampling(HALF) as report:
        progress = MultiPipelineCallbacks([StepProgress(report), Stop()])
        for _ in range(2):
            draw(pipe, progress, 4)
    assert report.steps == (4, 4)
