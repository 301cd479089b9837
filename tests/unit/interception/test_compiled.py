"""A U-Net compiled by torch.compile, whole or by blocks, inside the with and before it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

from compiling import by_blocks, in_place, whole
from diffusers_models import TEXT_WIDTH, OfTensors, unet
from settings_of import paper
from torch import nn
from torch._dynamo.testing import CompileCounter

from lib_todo import Settings, bind, token_downsampling

pytestmark = pytest.mark.usefixtures("fresh_graphs")
# (settings, latent's height and width); None: no with at all
ON = Settings(factor=2, deep_factor=2, threshold=4), (16, 12)
FIXED = paper(factor=2, threshold=8), (16, 12)
BELOW = paper(factor=2, threshold=8), (8, 8)
ODD = Settings(factor=2, threshold=8), (15, 11)
OFF = None, (16, 12)
Case = tuple[Any, tuple[int, int]]


def compile_as(way: Callable[..., nn.Module]) -> tuple[nn.Module, CompileCounter]:
    counter = CompileCounter()
    return way(unet(), backend=counter, fullgraph=True, dynamic=False), counter


def sample(model: nn.Module, case: Case, steps: int) -> tuple[list[torch.Tensor], Any]:
    """What each step's evaluation gives, and what was counted of self-attention."""
    settings, size = case
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(2, 4, *size, generator=generator)
    text = torch.randn(2, 5, TEXT_WIDTH, generator=generator)
    with token_downsampling(settings) if settings else contextlib.nullcontext() as report:
        outputs = [
            model(latent, torch.tensor(900 - 100 * step), text, return_dict=False)[0]
            for step in range(steps)
        ]
    return outputs, report and report.to_list()


def assert_as_eager(model: nn.Module, *order: Case, steps: int = 6) -> None:
    eager = unet()
    for case in order:
        outputs, report = sample(model, case, steps)
        expected, expected_report = sample(eager, case, steps)
        for output, wanted in zip(outputs, expected, strict=True):
            torch.testing.assert_close(output, wanted, rtol=0, atol=1e-5)
        assert report == expected_report


@pytest.mark.parametrize("way", [whole, in_place])
@pytest.mark.parametrize(
    "order", [(OFF, ON, OFF, ON, BELOW, OFF), (ON, OFF, BELOW, ON)], ids=["before", "inside"]
)
def test_one_graph_each_for_off_below_and_pooled(
    way: Callable[..., nn.Module], order: tuple[Case, ...]
) -> None:
    model, counter = compile_as(way)
    assert_as_eager(model, *order)
    assert counter.frame_count == 3


def test_by_blocks_one_graph_each_for_a_level() -> None:
    model, counter = compile_as(by_blocks)
    assert_as_eager(model, OFF, ON, OFF, ON, ODD)
    assert counter.frame_count == 6


@pytest.mark.parametrize("way", [whole, in_place])
def test_a_bound_model_has_the_same_graphs(way: Callable[..., nn.Module]) -> None:
    model, counter = compile_as(way)
    expected, expected_report = sample(unet(), FIXED, 3)
    plain, _ = sample(unet(), OFF, 3)
    for _ in range(2):
        outputs, _ = sample(model, OFF, 3)
        torch.testing.assert_close(outputs, plain, rtol=0, atol=1e-5)
        with bind(model, FIXED[0]) as binding, ThreadPoolExecutor(1) as pool:
            outputs, _ = pool.submit(sample, model, OFF, 3).result(300)
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-5)
        assert binding.report.to_list() == expected_report
    assert counter.frame_count == 2


def test_the_window_closes_with_the_timesteps() -> None:
    model, counter = compile_as(whole)
    assert_as_eager(model, (paper(factor=2, threshold=8, end=0.5), (16, 12)), steps=8)
    assert counter.frame_count == 2


SAVED: dict[str, Callable[[nn.Module, tuple], Callable]] = {
    "jit.trace": lambda model, args: torch.jit.trace(model, args, check_trace=False),
    "export": lambda model, args: torch.export.export(model, args, strict=False).module(),
}


@pytest.mark.parametrize("way", SAVED)
def test_a_saved_program_is_pooled_and_the_report_can_be_read(way: str) -> None:
    model = OfTensors()
    args = torch.randn(2, 4, 16, 12), torch.tensor(500), torch.randn(2, 5, TEXT_WIDTH)
    with token_downsampling(FIXED[0]):
        expected = model(*args)
    with token_downsampling(FIXED[0]) as report:
        program = SAVED[way](model, args)
    torch.testing.assert_close(program(*args), expected, rtol=0, atol=1e-5)
    assert "todo" not in str(program.graph)
    assert "tensor" not in f"{report.line()} {report.to_dict()}"
