"""Steps by a scheduler's timesteps: as the user counts, several samplings, a late import."""

from __future__ import annotations

import sys
import types
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
from pipeline_loop import Loop
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.hosts.diffusers import StepProgress

WHOLE, POOLED = 192, 48
HALF = paper(factor=2, threshold=8, end=0.5)


@pytest.fixture(scope="module")
def unet() -> Any:
    return models.unet()


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
