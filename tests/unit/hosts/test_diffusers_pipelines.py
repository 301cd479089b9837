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
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from self_attention import by_loops, keys_computed, pooled_by_hand, self_attentions
from settings_of import paper

from lib_todo import steps, token_downsampling


class Loop:
    """The loop of a pipeline."""

    def __init__(self, unet: Any, scheduler: Any, steps: int = 4) -> None:
        self.unet, self.scheduler, self.steps = unet, scheduler, steps

    def __call__(self, stop_after: int | None = None, set_anew: bool = True) -> list[int]:
        """The keys of the first layer, one number for each evaluation."""
        text = torch.randn(2, 5, models.TEXT_WIDTH)
        if set_anew:
            self.scheduler.set_timesteps(self.steps)
        with keys_computed(self.unet) as seen:
            for i, t in enumerate(self.scheduler.timesteps):
                self.unet(torch.randn(2, 4, 16, 12), t, text)
                if i == stop_after:
                    break
        return [keys for _, keys in seen[:: len(self_attentions(self.unet))]]


WHOLE, POOLED = 192, 48


def generate(pipe: Any) -> torch.Tensor:
    return pipe(
        "a fox on a beach",
        height=128,
        width=96,
        num_inference_steps=4,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
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
def test_the_steps_that_the_user_knows(unet: Any, scheduler: Any, evaluations: int) -> None:
    loop = Loop(unet, scheduler, steps=20)
    with token_downsampling(paper(factor=2, threshold=8)) as report:
        assert len(loop()) == evaluations
    assert report.steps == (20, 20)


def test_a_call_after_a_broken_off_one_begins_anew(unet: Any) -> None:
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        assert loop(stop_after=2) == [POOLED, POOLED, WHOLE]
        assert loop() == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (4, 7)


def test_rounds_of_free_init(unet: Any) -> None:
    """Each goes over the same timesteps again; fast ones are a kind of pipeline."""
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        for number in range(3):
            assert loop(set_anew=number == 0) == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (6, 12)


def test_another_packages_scheduler_that_is_imported_inside_the_with(
    unet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SD.Next has many of its own."""
    loop = Loop(unet, DDIMScheduler())
    with token_downsampling(HALF) as report:
        loop()

        class LaterScheduler(SchedulerMixin):
            def set_timesteps(self, steps: int) -> None:
                self.num_inference_steps = steps
                self.timesteps = torch.linspace(900, 0, steps)

        own = LaterScheduler.set_timesteps
        monkeypatch.setitem(sys.modules, "a_package", types.ModuleType("a_package"))
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
