"""Which step of which schedule a ComfyUI evaluation belongs to."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import ldm_models
import pytest
import torch
from comfyui_stand_in import SETTINGS, SIGMAS, Patcher, call

from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.hosts.comfyui import patch
from lib_todo.hosts.comfyui.sampling import Sampling
from lib_todo.hosts.comfyui.schedule import step_begun, step_of
from lib_todo.phase import phase_order

LONG = (*(2 * 0.7**step for step in range(10)), 0.0)
PHASES = [row * 8 + column for row, column in phase_order(2)] * 3


def test_step_by_sigma() -> None:
    levels = (20.0, 14.6 * (1 + 1e-6), 14.6, 7.0, 6.0 * (1 + 1e-6), 6.0, 2.0, 0.5, 0)
    assert [step_of(level, SIGMAS) for level in levels] == [0, 0, 0, 0, 1, 1, 2, 3, 3]
    # turned back into noise
    levels = (0.0, 0.5 * (1 - 1e-6), 0.5, 1.0, 2.0, 6.0)
    assert [step_of(level, SIGMAS[::-1]) for level in levels] == [0, 1, 1, 1, 2, 3]


def sample_heunpp2(model: Callable, sigmas: torch.Tensor) -> list[object]:
    """As ComfyUI's: a step looks at its end and at the next one's, too."""
    seen = []
    for i in range(len(sigmas) - 1):
        seen += [model(float(level)) for level in sigmas[i : i + 3] if level > 0]
    return seen


def sample_in_slices(model: Callable, sigmas: torch.Tensor) -> list[object]:
    """A sampler that hands another one two levels at a time."""
    seen = []
    for i in range(len(sigmas) - 1):
        seen += sample_heunpp2(model, sigmas[i : i + 2])
    return seen


def sample_uncounted(model: Callable, sigmas: torch.Tensor, i: object = None) -> list[object]:
    """It leaves the step to the levels; a step keeps its phase."""
    return [model(level) for level in (14.6, 14.6, 6.0, 2.0, 0.5)]


@pytest.mark.parametrize(
    ("sampler", "steps"),
    [
        (sample_heunpp2, [0, 0, 0, 1, 1, 1, 2, 2, 3]),
        (sample_in_slices, [0, 0, 1, 1, 2, 2, 3]),
        *[(partial(sample_uncounted, i=i), [0, 0, 1, 2, 3]) for i in (None, 7, 1.0)],
    ],
)
def test_what_a_step_looks_ahead_at_belongs_to_it(sampler: Callable, steps: list[int]) -> None:
    sampling = Sampling(SETTINGS, SIGMAS, "heunpp2")
    sampling.shape = SHAPES["SD 1.x"]

    def model(sigma: float) -> int:
        # as of a tile, too small to pool
        assert sampling.begin_evaluation(float(sigma), (4, 4), frozenset()) is None
        return int(call(sampling, sigma)[0, 0, 0])

    taken = sampler(model, torch.tensor(SIGMAS))
    assert taken == [PHASES[step] for step in steps]


@pytest.mark.parametrize(
    ("sigmas", "level"),
    [(None, None), (torch.tensor(2.0), None), (list(SIGMAS), None), (torch.tensor(SIGMAS), 14.6)],
)
def test_a_samplers_variables_are_looked_at_and_not_kept(sigmas: Any, level: float | None) -> None:
    def sample(sigmas: Any, i: int = 0) -> tuple[float | None, object]:
        latent = Patcher()
        alive = weakref.ref(latent)
        begun = step_begun()
        del latent
        return begun, alive()

    assert sample(sigmas) == (pytest.approx(level), None)


class KSampler:
    """As ComfyUI's: it has the whole schedule, and samples from one step to another."""

    def __init__(self, wrapper: patch.SampleWrapper) -> None:
        self.sigmas = torch.tensor(LONG)
        self.wrapper = wrapper

    def sample(self, first: int, last: int, to_zero: bool = False) -> list[int]:
        part = self.sigmas[: last + 1]
        if to_zero:
            part[-1] = 0
        return sampled(self.wrapper, part[first:])


def sampled(wrapper: patch.SampleWrapper, sigmas: torch.Tensor) -> list[int]:
    """The first tokens that each step of a sampling through the wrapper takes."""
    guider, function = Patcher(), SimpleNamespace(__name__="sample_euler")

    def execute(noise, latent, sampler, sigmas, **kwargs):
        assert kwargs == {"seed": 1}
        sampling = guider.model_options["transformer_options"][patch.SAMPLING]
        return [int(call(sampling, float(level))[0, 0, 0]) for level in sigmas[:-1]]

    execute.class_obj = guider
    return wrapper(execute, None, None, SimpleNamespace(sampler_function=function), sigmas, seed=1)


@pytest.mark.parametrize("to_zero", [False, True])
def test_a_ksamplers_part_knows_its_place_in_the_whole_schedule(to_zero: bool) -> None:
    told: list[Sampling] = []
    wrapper = patch.SampleWrapper(SETTINGS, told.append)
    # the second half alone: ComfyUI keeps the first one's result
    assert KSampler(wrapper).sample(5, 10) == PHASES[5:10]
    assert KSampler(wrapper).sample(0, 5, to_zero) == PHASES[:5]
    assert told[0].report.position.sampler == "euler"
    assert told[0].sigmas == pytest.approx(LONG)
    assert told[1].sigmas == pytest.approx((*LONG[:5], 0) if to_zero else LONG)
    assert "in all 5 steps from 6 to 10 of 10" in told[0].report.line()


def test_steps_one_at_a_time_go_on_and_tiles_share_them() -> None:
    told: list[Sampling] = []
    wrapper, schedule = patch.SampleWrapper(SETTINGS, told.append), torch.tensor(LONG)
    taken = [sampled(wrapper, schedule[step : step + 2]) for step in range(10) for _ in "ab"]
    # three steps are too few to move in
    expected = [0, 0, 0, *PHASES[3:10]]
    assert taken == [[token] for token in expected for _ in "ab"]
    assert told[-1].sigmas == pytest.approx(LONG)
    assert "in its step 10 of 10" in told[-1].report.line()
    # the next picture, and another pass over the end of the schedule
    assert sampled(wrapper, schedule) == PHASES[:10]
    assert sampled(wrapper, schedule[4:]) == PHASES[:6]
    assert told[-1].sigmas == pytest.approx(LONG[4:])


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_model_of_known_levels_gets_no_patch_at_its_trained_size(blocks: int) -> None:
    """With other residual blocks than trained models have, it is not known where layers are."""
    told, given = [], []
    guider = Patcher()
    model = ldm_models.unet(channel_mult=(1, 1), num_res_blocks=blocks)
    guider.model_patcher.model.diffusion_model = model

    def execute(noise, latent, sampler, sigmas):
        options = guider.model_options["transformer_options"]
        for level in sigmas[:-1]:
            patch.call_with_patch(
                lambda *args: given.append(args[5].get("patches")),
                torch.zeros(1, 4, 64, 64),
                *[None] * 4,
                transformer_options=options | {"sigmas": level},
            )

    execute.class_obj = guider
    patch.SampleWrapper(Settings(), told.append)(execute, None, None, None, torch.tensor(SIGMAS))
    assert [patches is None for patches in given] == [blocks == 2] * 4
    assert told[0].report.steps == (0, 4)
