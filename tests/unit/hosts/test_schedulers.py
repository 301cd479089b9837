"""diffusers' schedulers: their noise levels, their names, and timesteps known without reading."""

from __future__ import annotations

import itertools
import types
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSDEScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
)

from lib_todo.schedulers import Schedule
from lib_todo.steps import Steps


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
    clock = Steps(itertools.count(1))
    clock.expect_sampling(Schedule(scheduler))
    moment = clock.see(clock.schedule.places[begun * places])
    timesteps = [clock.schedule.places[step * places] for step in range(begun, 10)]
    products = scheduler.alphas_cumprod
    levels = [float((1 / products[round(value)] - 1).sqrt()) for value in timesteps]
    assert moment.sigmas == pytest.approx((*levels, 0), rel=0.05)


def test_of_inversion_and_of_others_schedulers_no_noise_levels_are_known() -> None:
    scheduler, clock = DDIMScheduler(), Steps(itertools.count(1))
    scheduler.set_timesteps(10)
    clock.expect_sampling(Schedule(scheduler))
    for timestep in reversed(clock.schedule.places):
        moment = clock.see(timestep)
    assert moment.sigmas == ()
    other = types.SimpleNamespace(timesteps=torch.linspace(900, 0, 10), num_inference_steps=10)
    assert (len(Schedule(other).places), Schedule(other).sigmas) == (10, ())


def test_a_scheduler_that_adds_noise_is_known_by_its_configuration() -> None:
    noisy = DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++")
    assert Schedule(noisy).sampler == "DPMSolverMultistepScheduler (sde-dpmsolver++)"
    third = DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++", solver_order=3)
    assert Schedule(third).sampler == "DPMSolverMultistepScheduler (sde-dpmsolver++, 3M)"
    assert Schedule(DPMSolverMultistepScheduler()).sampler == "DPMSolverMultistepScheduler"


TIMESTEPS = [981.0, 741.0, 501.0, 261.0, 21.0]


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_timestep_is_known_by_its_place_in_memory(dtype: torch.dtype, mode: Any) -> None:
    with mode():
        # as img2img leaves it, the second part of a longer tensor
        whole = torch.tensor([999.0, *TIMESTEPS], dtype=dtype)[1:]
        taken = Schedule(types.SimpleNamespace(timesteps=whole)).number
        assert [taken(one) for one in whole] == TIMESTEPS
        assert [taken(one[None]) for one in whole[2:]] == TIMESTEPS[2:]
        assert taken(whole[3].expand(1)) == 261
        others = [whole[0].clone(), whole.clone()[0], whole[:2], whole[1].expand(2), whole[:0]]
        others += [whole[0].double(), whole[0].to("meta"), 981, None]
        assert [taken(other) for other in others] == [None] * len(others)
