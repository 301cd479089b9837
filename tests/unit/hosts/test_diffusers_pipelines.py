"""diffusers pipelines inside the `with`, whole ones and minimal loops: pooled, step by step."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
)
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from self_attention import by_loops, keys_computed, pooled_by_hand, self_attentions
from settings_of import paper

from lib_todo import steps, token_downsampling
from lib_todo.hosts.diffusers import StepProgress


class Loop:
    """The loop of a pipeline that never asks for `tensor_inputs`, as AnimateDiff's and LCM's."""

    def __init__(self, unet: Any, scheduler: Any, steps: int = 4) -> None:
        self.unet, self.scheduler, self.steps = unet, scheduler, steps

    def __call__(
        self, callback: Any = None, stop_after: int | None = None, set_anew: bool = True
    ) -> list[int]:
        """The keys of the first layer, one number for each evaluation."""
        text = torch.randn(2, 5, models.TEXT_WIDTH)
        if set_anew:
            self.scheduler.set_timesteps(self.steps)
        self.num_timesteps = len(self.scheduler.timesteps)
        with keys_computed(self.unet) as seen:
            for i, t in enumerate(self.scheduler.timesteps):
                self.unet(torch.randn(2, 4, 16, 12), t, text)
                if callback is not None:
                    callback(self, i, t, {})
                if i == stop_after:
                    break
        return [keys for _, keys in seen[:: len(self_attentions(self.unet))]]


WHOLE, POOLED = 192, 48


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return models.sd_pipeline(tmp_path_factory.mktemp("sd"))


def generate(pipe: Any, progress: Any = None, steps: int = 4) -> torch.Tensor:
    return pipe(
        "a fox on a beach",
        height=128,
        width=96,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(3),
        output_type="pt" if progress is None else "latent",
        callback_on_step_end=progress,
    ).images


@pytest.mark.parametrize(
    ("make", "downscale"), [(models.sd_pipeline, 1), (models.sdxl_pipeline, 2)]
)
def test_a_pipeline_needs_only_the_with(make: Any, downscale: int, tmp_path: Path) -> None:
    pipe = make(tmp_path)
    with token_downsampling(paper(factor=2, threshold=8 // downscale)):
        got = generate(pipe)
    with pooled_by_hand(pipe.unet, by_loops((16, 12), downscale, 2)):
        torch.testing.assert_close(got, generate(pipe))
    assert not torch.allclose(got, generate(pipe), atol=1e-3)


HALF = paper(factor=2, threshold=8, end=0.5)


@pytest.fixture(scope="module")
def unet() -> Any:
    return models.unet()


class WithoutCount(Loop):
    """The same of one that has no `num_timesteps`, as LEDITS++'s."""

    num_timesteps = property(lambda self: None, lambda self, _: None)


@pytest.mark.parametrize("kind", [Loop, WithoutCount])
def test_a_pipeline_that_does_not_ask(unet: Any, kind: type[Loop]) -> None:
    """To ask `tensor_inputs` would change nothing either."""
    loop = kind(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)

        def look_and_tell(*args: Any) -> None:
            before = report.to_dict(), dict(vars(report.position))
            assert progress.tensor_inputs == []
            assert (report.to_dict(), vars(report.position)) == before
            progress(*args)

        for told, steps in ((progress, (2, 4)), (look_and_tell, (4, 8))):
            assert loop(told) == [POOLED, POOLED, WHOLE, WHOLE]
            assert report.steps == steps
        with pytest.raises(ValueError, match="pass_name='second': must be first or hires"):
            StepProgress(report, "second")


def test_a_callback_that_is_told_nothing_leaves_it_to_the_timesteps(unet: Any) -> None:
    """So does one of a call before."""
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)
        for steps in ((2, 4), (4, 8)):
            seen = loop(lambda _, *args: progress(object(), *args))
            assert seen == [POOLED, POOLED, WHOLE, WHOLE]
            assert report.steps == steps
    with token_downsampling(HALF) as report:
        loop(StepProgress(report))
        assert loop() == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (4, 8)


def test_a_call_after_a_broken_off_one_begins_anew(unet: Any) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)
        assert loop(progress, stop_after=2) == [POOLED, POOLED, WHOLE]
        assert loop(progress) == [POOLED, POOLED, WHOLE, WHOLE]
    # the fourth step of the first call was announced, and never came
    assert report.steps == (4, 7)


def test_the_pass_of_each_call(pipe: Any) -> None:
    with token_downsampling(paper(factor=2, threshold=8, passes="hires")) as report:
        first, hires = StepProgress(report), StepProgress(report, "hires")
        for progress, steps in ((first, 2), (hires, 2), (first, 2), (first, 1), (first, 1)):
            generate(pipe, progress, steps)
    assert tuple(report.passes[name].steps for name in ("first", "hires")) == ((0, 6), (2, 2))


class Stop(PipelineCallback):
    tensor_inputs: list[str] = []  # noqa: RUF012  read by the pipeline, never changed

    def callback_fn(self, pipeline: Any, step_index: int, timestep: Any, kwargs: dict) -> dict:
        pipeline._interrupt = step_index == 1
        return kwargs


def test_an_interrupted_call_counts_the_steps_that_ran(pipe: Any) -> None:
    with token_downsampling(HALF) as report:
        progress = MultiPipelineCallbacks([StepProgress(report), Stop()])
        for _ in range(2):
            generate(pipe, progress)
    assert report.steps == (4, 4)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("scheduler", "evaluations"),
    [
        (PNDMScheduler(skip_prk_steps=True), 21),
        (HeunDiscreteScheduler(), 39),
        (KDPM2DiscreteScheduler(), 39),
        (DDIMScheduler(), 20),
        (LCMScheduler(), 20),
        # Stable Video Diffusion's: the timesteps are logarithms of the noise, most below 0
        (EulerDiscreteScheduler(timestep_type="continuous", use_karras_sigmas=True), 20),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_steps_that_the_user_knows(
    unet: Any, scheduler: Any, evaluations: int, told: bool
) -> None:
    loop = Loop(unet, scheduler, steps=20)
    with token_downsampling(paper(factor=2, threshold=8)) as report:
        assert len(loop(StepProgress(report) if told else None)) == evaluations
    assert report.steps == (20, 20)


@pytest.mark.parametrize("told", [True, False])
def test_rounds_of_free_init(unet: Any, told: bool) -> None:
    """Each goes over the same timesteps again; fast ones are a kind of pipeline."""
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report) if told else None
        for number in range(3):
            assert loop(progress, set_anew=number == 0) == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (6, 12)


class LaterScheduler:
    """One whose module is imported only inside of the `with`."""

    def set_timesteps(self, steps: int) -> None:
        self.num_inference_steps = steps
        self.timesteps = torch.linspace(900, 0, steps)


def test_a_scheduler_that_is_imported_inside_the_with(
    unet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = LaterScheduler.set_timesteps
    module = types.ModuleType("diffusers.schedulers.scheduling_later")
    monkeypatch.setattr(LaterScheduler, "__module__", module.__name__)
    monkeypatch.setattr(module, "LaterScheduler", LaterScheduler, raising=False)
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        loop()
        monkeypatch.setitem(sys.modules, module.__name__, module)
        loop()
        loop.scheduler = LaterScheduler()
        assert loop() == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (6, 12)
    assert LaterScheduler.set_timesteps is own


@pytest.mark.parametrize("cls", [DDIMScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler])
def test_no_timestep_of_a_pipeline_is_read_back(
    unet: Any, cls: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU each reading would wait for it."""
    read: list[Any] = []
    monkeypatch.setattr(steps, "as_number", read.append)
    with token_downsampling(HALF):
        assert Loop(unet, cls(), steps=4)()[0] == POOLED
    assert read == []
