"""The schedule of the sampler that is on the call stack."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lib_todo.hosts.webui import sampler_sigmas
from lib_todo.hosts.webui.sampler_sigmas import SamplerSigmas

LEAPS = [2.28, 1.807, 1.447, 1.163, 0.932, 0.739, 0.571, 0.418, 0.267, 0.029, 0.0]
EVEN = [8.0, 4.0, 2.0, 1.0, 0.5, 0.0]


def sample_dpmpp_2m(model: Any, x: Any, sigmas: Any) -> Any:
    """As k-diffusion's."""
    return model(x)


def sample_img2img(model: Any, x: Any) -> Any:
    """As the host's own method: its schedule is a local variable, and the whole one."""
    sigmas = torch.tensor(LEAPS)
    return model(x) if sigmas is not None else None


@pytest.mark.parametrize(("levels", "step"), [(LEAPS, 6), (EVEN, None)])
def test_it_is_the_samplers_argument(levels: list[float], step: int | None) -> None:
    sigmas = SamplerSigmas()
    assert sample_dpmpp_2m(lambda x: sigmas.rest_from(), None, torch.tensor(levels)) == step


def test_the_innermost_samplers_counts() -> None:
    sigmas = SamplerSigmas()

    def inner(x: Any) -> Any:
        return sample_dpmpp_2m(lambda x: sigmas.rest_from(), x, torch.tensor(EVEN))

    assert sample_dpmpp_2m(inner, None, torch.tensor(LEAPS)) is None


def test_a_schedule_that_is_no_argument_is_another_ones() -> None:
    sigmas = SamplerSigmas()
    assert sample_img2img(lambda x: sigmas.rest_from(), None) is None
    assert sigmas.rest_from() is None


def test_another_schedule_is_worked_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out: list[int] = []
    monkeypatch.setattr(sampler_sigmas, "rest_from", lambda levels: worked_out.append(len(levels)))
    sigmas, first, second = SamplerSigmas(), torch.tensor(LEAPS), torch.tensor(EVEN)
    for schedule in (first, first, second, second):
        sample_dpmpp_2m(lambda x: sigmas.rest_from(), None, schedule)
    assert worked_out == [len(LEAPS), len(EVEN)]


@pytest.mark.parametrize("sigmas", [None, EVEN, torch.zeros(2, 3)], ids=["none", "list", "2D"])
def test_what_is_no_schedule_is_none(sigmas: Any) -> None:
    found = SamplerSigmas()
    assert sample_dpmpp_2m(lambda x: found.rest_from(), None, sigmas) is None
