"""StepProgress: pipelines that ask for nothing, looking at it, broken-off calls, odd counts."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import (
    DDIMScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionPAGPipeline,
)
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.pipelines.deprecated.stable_diffusion_panorama import (
    pipeline_stable_diffusion_panorama as panorama,
)
from self_attention import keys_computed, self_attentions
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.hosts.diffusers import StepProgress

WHOLE, POOLED = 192, 48
HALF = paper(factor=2, threshold=8, end=0.5)
Told = Callable[[Any], Any]


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return models.sd_pipeline(tmp_path_factory.mktemp("sd"))


class Loop:
    """The loop of a pipeline that never asks for `tensor_inputs`, as AnimateDiff's and LCM's."""

    def __init__(self, unet: Any, scheduler: Any, steps: int = 4) -> None:
        self.unet, self.scheduler, self.steps = unet, scheduler, steps

    def __call__(self, callback: Any = None, stop_after: int | None = None) -> list[int]:
        """The keys of the first layer, one number for each evaluation."""
        text = torch.randn(2, 5, models.TEXT_WIDTH)
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


class WithoutCount(Loop):
    """The same of one that has no `num_timesteps`, as LEDITS++'s."""

    num_timesteps = property(lambda self: None, lambda self, _: None)


@pytest.fixture(scope="module")
def unet() -> Any:
    return models.unet()


@pytest.mark.parametrize("kind", [Loop, WithoutCount])
def test_a_pipeline_that_does_not_ask(unet: Any, kind: type[Loop]) -> None:
    loop = kind(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)
        for _ in range(2):
            assert loop(progress) == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (4, 8)


def _pag(pipe: Any) -> Any:
    return StableDiffusionPAGPipeline(
        **pipe.components, requires_safety_checker=False, pag_applied_layers="mid"
    )


def _panorama(pipe: Any) -> Any:
    return panorama.StableDiffusionPanoramaPipeline(
        **pipe.components, requires_safety_checker=False
    )


@pytest.mark.parametrize("of", [_pag, _panorama])
@pytest.mark.parametrize("with_callback", [True, False])
def test_diffusers_own_that_do_not_ask(pipe: Any, of: Told, with_callback: bool) -> None:
    asking = of(pipe)
    asking.set_progress_bar_config(disable=True)
    with token_downsampling(HALF) as report:
        options = {"callback_on_step_end": StepProgress(report)} if with_callback else {}
        for _ in range(2):
            with keys_computed(pipe.unet) as seen:
                asking(
                    "a fox",
                    height=128,
                    width=96,
                    num_inference_steps=4,
                    output_type="pt",
                    **options,
                )
            keys = [keys for _, keys in seen[:: len(self_attentions(pipe.unet))]]
            assert keys == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (4, 8)


@pytest.mark.parametrize("at", ["before", "inside", "between"])
def test_looking_at_it_changes_nothing(unet: Any, at: str) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)

        def look(*_: Any) -> dict:
            before = pickle.dumps(report)
            assert progress.tensor_inputs == progress.tensor_inputs == []
            assert pickle.dumps(report) == before
            return {}

        def told(*args: Any) -> dict:
            return look() if args[1] == 1 and at == "inside" else {}

        if at == "before":
            look()
        for _ in range(2):
            assert loop(lambda *args: (progress(*args), told(*args))) == [
                POOLED,
                POOLED,
                WHOLE,
                WHOLE,
            ]
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


def test_the_first_evaluation_after_entering_again_is_a_first_one(unet: Any) -> None:
    loop, downsampling = Loop(unet, DDIMScheduler()), token_downsampling(HALF)
    for _ in range(2):
        with downsampling as report:
            assert loop(StepProgress(report), stop_after=2) == [POOLED, POOLED, WHOLE]
    with downsampling:
        unet(torch.randn(2, 4, 16, 12), 100, torch.randn(2, 5, models.TEXT_WIDTH))
    assert report.pooled[WHOLE, POOLED].calls == 3 * 5


def test_told_by_a_host_and_entered_again(unet: Any) -> None:
    downsampling = token_downsampling(HALF)
    with downsampling as report:
        report.progress(9, 10)
    with downsampling, keys_computed(unet) as seen:
        unet(torch.randn(2, 4, 16, 12), 999, torch.randn(2, 5, models.TEXT_WIDTH))
    assert seen[0] == (WHOLE, POOLED)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("scheduler", "evaluations"),
    [
        (PNDMScheduler(skip_prk_steps=True), 21),
        (HeunDiscreteScheduler(), 39),
        (KDPM2DiscreteScheduler(), 39),
        (DDIMScheduler(), 20),
        (LCMScheduler(), 20),
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


def test_without_a_callback_a_call_with_one_before_has_no_say(unet: Any) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        loop(StepProgress(report))
        assert loop() == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (4, 8)


def test_the_pass_of_each_call(pipe: Any) -> None:
    with token_downsampling(paper(factor=2, threshold=8, passes="hires")) as report:
        first, hires = StepProgress(report), StepProgress(report, "hires")
        for progress in (first, hires, first):
            pipe(
                "a fox",
                height=128,
                width=96,
                num_inference_steps=2,
                output_type="latent",
                callback_on_step_end=progress,
            )
    assert (report.steps_of("first"), report.steps_of("hires")) == ((0, 4), (2, 2))


def test_an_unknown_pass() -> None:
    with (
        token_downsampling(HALF) as report,
        pytest.raises(ValueError, match="pass_name='second': must be first or hires"),
    ):
        StepProgress(report, "second")


class Stop(PipelineCallback):
    tensor_inputs: list[str] = []  # noqa: RUF012  read by the pipeline, never changed

    def callback_fn(self, pipeline: Any, step_index: int, timestep: Any, kwargs: dict) -> dict:
        pipeline._interrupt = step_index == 1
        return kwargs


def test_an_interrupted_call_counts_the_steps_that_ran(pipe: Any) -> None:
    with token_downsampling(HALF) as report:
        progress = MultiPipelineCallbacks([StepProgress(report), Stop()])
        for _ in range(2):
            pipe(
                "a fox",
                height=128,
                width=96,
                num_inference_steps=4,
                output_type="latent",
                callback_on_step_end=progress,
            )
    assert report.steps == (4, 4)


def test_the_earlier_name_of_its_module() -> None:
    from lib_todo import diffusers_progress

    assert diffusers_progress.StepProgress is StepProgress
