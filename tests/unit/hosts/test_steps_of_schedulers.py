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

from lib_todo import steps, token_downsampling
from lib_todo.hosts.diffusers import StepProgress
from lib_todo.schedulers import TakenTimesteps

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


TIMESTEPS = [981.0, 741.0, 501.0, 261.0, 21.0]


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_timestep_is_known_by_its_place_in_memory(dtype: torch.dtype, mode: Any) -> None:
    with mode():
        # as img2img leaves it, the second part of a longer tensor
        whole = torch.tensor([999.0, *TIMESTEPS], dtype=dtype)[1:]
        taken = TakenTimesteps(whole, whole.tolist())
        assert [taken(one) for one in whole] == TIMESTEPS
        assert [taken(one[None]) for one in whole[2:]] == TIMESTEPS[2:]
        assert taken(whole[3].expand(1)) == 261
        others = [whole[0].clone(), whole.clone()[0], whole[:2], whole[1].expand(2), whole[:0]]
        others += [whole[0].double(), whole[0].to("meta"), 981, None]
        assert [taken(other) for other in others] == [None] * len(others)


def test_a_schedule_that_is_changed_in_place_is_not_known_any_more() -> None:
    whole = torch.tensor(TIMESTEPS)
    taken = TakenTimesteps(whole, TIMESTEPS)
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
