"""The moving lattice in whole models: which tokens each layer takes, call by call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import DDIMScheduler, DEISMultistepScheduler, PNDMScheduler
from ldm_models import image, run, run_explicitly, spatial_transformer, text
from self_attention import self_attentions

from lib_todo import Settings, token_downsampling
from lib_todo.phase import Phase, phase_order

SIDE = 8
BY_TWO = Settings(factor=2, deep_factor=1, threshold=4)
ORDER = list(phase_order(2))
PASSES = ("first", "hires", "first")
LDM = spatial_transformer()


@contextmanager
def phases_taken(model: Any) -> Iterator[list[Phase]]:
    """The phase of each call of the first self-attention, read off the tokens it was given."""
    layer, seen, tokens = self_attentions(model)[0], [], []

    def read(_: Any, inputs: tuple) -> None:
        whole, first = tokens[-1], inputs[0][0, 0]
        index = int((whole == first).all(-1).nonzero()[0])
        seen.append(divmod(index, SIDE))

    with (
        layer.to_q.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0][0])),
        layer.to_k.register_forward_pre_hook(read),
    ):
        yield seen


def sampling(model: Any, timesteps: list[float], calls: tuple[int, ...] = (2,)) -> None:
    """One sampling of a sampler that is held for nothing, with calls of these batch sizes."""
    DDIMScheduler().set_timesteps(10)
    for timestep in timesteps:
        for batch in calls:
            models.run_unet(model, SIDE, SIDE, timestep, batch)


@pytest.mark.parametrize("phase", ORDER)
def test_attention_over_explicitly_picked_tokens(phase: Phase) -> None:
    x, context = image(6, 6), text()
    picked = [row * 6 + column for row in range(phase[0], 6, 2) for column in range(phase[1], 6, 2)]
    with token_downsampling(BY_TWO) as report:
        report.position.sampler = "Euler"
        for step in range(ORDER.index(phase) + 1):
            report.progress(step, 10)
            got = run(LDM, x, context)
    torch.testing.assert_close(got, run_explicitly(LDM, x, context, lambda n: n[:, picked]))


@pytest.mark.parametrize("calls", [(2,), (1, 1), (1, 3), (3, 1)])
def test_the_phase_moves_with_the_timesteps_and_not_with_the_calls(
    unet: Any, calls: tuple[int, ...]
) -> None:
    with token_downsampling(BY_TWO), phases_taken(unet) as seen:
        sampling(unet, [900, 700, 500, 300, 100], calls)
        # a scheduler that is set anew begins anew
        sampling(unet, [90, 70], calls)
    assert seen == [phase for phase in [*ORDER, ORDER[0], *ORDER[:2]] for _ in calls]


@pytest.mark.parametrize(
    ("told", "every", "expected"),
    [
        ([(step, 4) for step in range(4)], 1, ORDER),
        # DeepCache calls the deep layers in every third step only
        ([(step, 12) for step in range(12)], 3, ORDER),
        # a new pass or image begins anew
        ([(step, 2, name) for name in PASSES for step in range(2)], 1, ORDER[:2] * 3),
    ],
)
def test_the_phase_moves_with_what_is_told_and_not_with_the_timesteps(
    unet: Any, told: list[tuple], every: int, expected: list[Phase]
) -> None:
    downsampling = token_downsampling(BY_TWO)
    with phases_taken(unet) as seen:
        for _ in range(2):
            with downsampling as report:
                report.position.sampler = "Euler"
                for number, arguments in enumerate(told):
                    report.progress(*arguments)
                    for timestep in (900, 850) if number % every == 0 else ():
                        models.run_unet(unet, SIDE, SIDE, timestep - number)
    assert seen == [phase for phase in expected * 2 for _ in range(2)]


@pytest.mark.parametrize(
    ("scheduler", "phase", "hold", "told"),
    [
        (DDIMScheduler, "moving", 1, {}),
        (DDIMScheduler, "fixed", 0, {}),
        (PNDMScheduler, "moving", 2, {"PNDMScheduler": 2}),
        (DEISMultistepScheduler, "moving", 0, {"DEISMultistepScheduler": 0}),
        (None, "moving", 2, {None: 2}),
    ],
)
def test_it_is_held_as_the_sampler_or_the_settings_want(
    unet: Any, scheduler: type | None, phase: str, hold: int, told: dict[str | None, int]
) -> None:
    settings = Settings(factor=2, deep_factor=1, threshold=4, phase=phase)
    with token_downsampling(settings) as report, phases_taken(unet) as seen:
        if scheduler is not None:
            scheduler().set_timesteps(10)
        for timestep in range(900, 100, -100):
            models.run_unet(unet, SIDE, SIDE, timestep)
    assert seen == [ORDER[step // hold % 4] if hold else ORDER[0] for step in range(8)]
    assert report.passes["first"].held == told


def test_a_forward_called_by_name_has_its_steps_by_the_time_embedding(unet: Any) -> None:
    with token_downsampling(BY_TWO), phases_taken(unet) as seen:
        DDIMScheduler().set_timesteps(10)
        for timestep in (900, 700, 500, 300):
            text = torch.randn(2, 5, models.TEXT_WIDTH)
            unet.forward(torch.randn(2, 4, SIDE, SIDE), timestep, text)
    assert seen == ORDER


def test_a_nested_with_does_not_move_the_outer_ones_phase(unet: Any) -> None:
    with token_downsampling(BY_TWO), phases_taken(unet) as seen:
        sampling(unet, [900, 700])
        with token_downsampling(BY_TWO):
            sampling(unet, [999, 888, 777])
        for timestep in (500, 300):
            models.run_unet(unet, SIDE, SIDE, timestep)
    assert seen == [*ORDER[:2], *ORDER[:3], *ORDER[2:]]
