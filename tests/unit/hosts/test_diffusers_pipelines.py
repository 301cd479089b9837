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
    DPMSolverMultistepScheduler,
    DPMSolverSDEScheduler,
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
from lib_todo.schedulers import numbers_of, schedule_of
from lib_todo.steps import Steps


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


def generate(pipe: Any, steps: int = 4, **options: Any) -> torch.Tensor:
    options = {"height": 128, "width": 96, **options}
    return pipe(
        "a fox on a beach",
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
        **options,
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


def test_looking_at_it_changes_nothing(unet: Any) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report)

        def look_and_tell(*args: Any) -> None:
            before = report.to_dict(), dict(vars(report.position))
            assert progress.tensor_inputs == []
            assert (report.to_dict(), vars(report.position)) == before
            progress(*args)

        for _ in range(2):
            assert loop(look_and_tell) == [POOLED, POOLED, WHOLE, WHOLE]
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
        for progress, steps in ((first, 2), (hires, 2), (first, 2), (first, 1), (first, 1)):
            draw(pipe, progress, steps)
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
            draw(pipe, progress, 4)
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
@pytest.mark.parametrize("set_anew", [True, False])
def test_rounds_of_free_init(unet: Any, told: bool, set_anew: bool) -> None:
    """Each goes over the timesteps again; fast ones over more of them than the one before."""
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        progress = StepProgress(report) if told else None
        for number in range(3):
            loop.steps = 2 * (number + 1) if set_anew else 4
            seen = loop(progress, set_anew=set_anew or number == 0)
            half = loop.steps // 2
            assert seen == [POOLED] * half + [WHOLE] * half
    assert report.steps == (6, 12)


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        (EulerDiscreteScheduler, 1),
        (HeunDiscreteScheduler, 1),
        (DDIMScheduler, 1),
        (KDPM2DiscreteScheduler, 2),
        (DPMSolverSDEScheduler, 2),
    ],
)
@pytest.mark.parametrize("begun", [0, 4])
def test_the_noise_levels_of_a_sampling(kind: Any, places: int, begun: int) -> None:
    """One for each step of the user's from where it begins, then 0, whatever the scheduler has."""
    if kind is DPMSolverSDEScheduler:
        pytest.importorskip("torchsde")
    scheduler = kind()
    scheduler.set_timesteps(10)
    clock = Steps()
    clock.expect_sampling(schedule_of(scheduler))
    clock.see(clock.schedule.places[begun * places])
    timesteps = [clock.schedule.places[step * places] for step in range(begun, 10)]
    products = scheduler.alphas_cumprod
    levels = [float((1 / products[round(value)] - 1).sqrt()) for value in timesteps]
    assert clock.by_timesteps.sigmas == pytest.approx((*levels, 0), rel=0.05)


def test_of_inversion_and_of_others_schedulers_no_noise_levels_are_known() -> None:
    scheduler, clock = DDIMScheduler(), Steps()
    scheduler.set_timesteps(10)
    clock.expect_sampling(schedule_of(scheduler))
    for timestep in reversed(clock.schedule.places):
        clock.see(timestep)
    assert clock.sigmas == ()
    later = LaterScheduler()
    later.set_timesteps(10)
    assert schedule_of(later).sigmas == ()


def test_a_scheduler_that_adds_noise_is_known_by_its_configuration() -> None:
    noisy = DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++")
    assert schedule_of(noisy).sampler == "DPMSolverMultistepScheduler (sde-dpmsolver++)"
    assert schedule_of(DPMSolverMultistepScheduler()).sampler == "DPMSolverMultistepScheduler"


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


TIMESTEPS = [981.0, 741.0, 501.0, 261.0, 21.0]


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_timestep_is_known_by_its_place_in_memory(dtype: torch.dtype, mode: Any) -> None:
    with mode():
        # as img2img leaves it, the second part of a longer tensor
        whole = torch.tensor([999.0, *TIMESTEPS], dtype=dtype)[1:]
        taken = numbers_of(whole, whole.tolist())
        assert [taken(one) for one in whole] == TIMESTEPS
        assert [taken(one[None]) for one in whole[2:]] == TIMESTEPS[2:]
        assert taken(whole[3].expand(1)) == 261
        others = [whole[0].clone(), whole.clone()[0], whole[:2], whole[1].expand(2), whole[:0]]
        others += [whole[0].double(), whole[0].to("meta"), 981, None]
        assert [taken(other) for other in others] == [None] * len(others)


def test_a_schedule_that_is_changed_in_place_is_not_known_any_more() -> None:
    whole = torch.tensor(TIMESTEPS)
    taken = numbers_of(whole, TIMESTEPS)
    whole[0] = 900
    assert taken(whole[0]) is None


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
