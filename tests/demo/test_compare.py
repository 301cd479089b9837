"""The comparison on a tiny random pipeline: what runs, in which order, and what is counted."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

from demo.comparison.compare import Comparison, compare
from demo.comparison.loading import largest_grid, native_grid
from demo.comparison.measure import KeyCounter, LevelKeys
from demo.comparison.methods import Baseline, ToDo, ToMe, matching_ratio
from demo.comparison.recipe import OptionError, Recipe
from lib_todo import Settings

RECIPE = Recipe("a fox", seed=3, steps=4, width=128, height=96, first=(64, 64), strength=0.5)
METHODS = [Baseline(), ToDo(Settings(threshold=8, factor=2)), ToMe(0.75)]


@pytest.fixture(scope="module")
def told() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def comparison(sampler: Any, told: list) -> Comparison:
    return compare(sampler, RECIPE, METHODS, 2, lambda *args: told.append(args))


def test_methods_take_turns_after_a_warm_up(comparison: Comparison, told: list) -> None:
    titles = list(dict.fromkeys(title for title, _, _ in told))
    assert titles == [
        "First pass",
        *(f"{name}, warm-up" for name in ("Baseline", "ToDo", "ToMe")),
        *(f"{name}, {turn} of 2" for turn in (1, 2) for name in ("Baseline", "ToDo", "ToMe")),
        "Done",
    ]
    steps = [done for _, done, _ in told]
    assert steps == sorted(steps)
    assert {total for _, _, total in told} == {4 + 3 * (1 + 2 * 2)}
    assert told[-1][1:] == (19, 19)


def test_keys_are_those_of_the_largest_layers(comparison: Comparison) -> None:
    assert [result.largest_level for result in comparison.results] == [
        (192, 192),
        (192, 48),
        (192, 48),
    ]
    # the first of the two steps leads in: the paper's factors leave the second level whole
    mean = (48 + 12) / 2
    run = comparison.results[1].runs[0]
    assert run.levels == [LevelKeys(192, 3, 48), LevelKeys(48, 4, mean)]
    assert "192 → 48 keys in 3, 48 → 48 or 12 keys in 4 of 7" in run.report_line
    assert "2 of 2 steps" in run.report_line


def test_figures(comparison: Comparison) -> None:
    baseline, todo, tome = comparison.results
    for result in comparison.results:
        assert [len(run.step_seconds) for run in result.runs] == [2, 2]
        assert 0 < result.step_seconds < result.seconds
        assert result.peak_memory > 2**20
        assert result.image.size == RECIPE.size
    assert (baseline.step_speedup, baseline.mse) == (1, None)
    assert todo.step_speedup == baseline.step_seconds / todo.step_seconds
    for result in (todo, tome):
        assert result.mse > 0
        assert result.psnr > 0
        assert result.high_frequency_ratio > 0


def test_every_turn_gives_the_same_picture(comparison: Comparison) -> None:
    for result in comparison.results:
        first, second = (run.image.tobytes() for run in result.runs)
        assert first == second


def test_without_a_baseline_nothing_is_compared(sampler: Any) -> None:
    recipe = dataclasses.replace(RECIPE, first=None, steps=1)
    (result,) = compare(sampler, recipe, [METHODS[1]], 1, lambda *_: None).results
    assert (result.speedup, result.psnr) == (None, None)


def test_the_pipeline_is_as_before_also_when_stopped(sampler: Any) -> None:
    def stop(title: str, done: int, total: int) -> None:
        if title == "ToMe, 1 of 1" and done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(sampler, RECIPE, METHODS, 1, stop)
    names = {type(module).__name__ for module in sampler.unet.modules()}
    assert "BasicTransformerBlock" in names
    assert "ToMeBlock" not in names
    hooks = [name for name, module in sampler.unet.named_modules() if module._forward_pre_hooks]
    assert hooks == []


def test_a_window_shows_in_the_mean_of_the_keys(sampler: Any) -> None:
    half = ToDo(Settings(threshold=8, factor=2, end=0.5))
    run = sampler.last_pass(dataclasses.replace(RECIPE, first=None), half, None, lambda *_: None)
    assert run.levels[0] == LevelKeys(192, 3, (192 + 48) / 2)


def test_grids(sampler: Any) -> None:
    assert native_grid(sampler.unet) == 8
    assert largest_grid(sampler.unet, RECIPE, 8) == (12, 16)
    assert matching_ratio((12, 16), Settings(threshold=8, factor=2)) == 0.75


def test_sdxls_grids() -> None:
    import diffusers_models

    unet = diffusers_models.unet_sdxl(sample_size=128)
    assert native_grid(unet) == 64
    assert largest_grid(unet, Recipe("", width=1024, height=2048), 8) == (128, 64)
    with torch.no_grad(), KeyCounter(unet).counting() as counter:
        diffusers_models.run_unet(unet, 16, 12)
    assert counter.levels() == [LevelKeys(48, 8, 48)]


@pytest.mark.parametrize("ratio", [0, 0.5, 0.74, 0.89, 0.9375])
def test_tomes_stride_reaches_its_ratio(ratio: float) -> None:
    stride = ToMe(ratio).stride
    assert 1 - 1 / stride**2 >= ratio - 0.005
    assert stride == 2 or 1 - 1 / (stride - 1) ** 2 < ratio


def test_a_stride_that_falls_short_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"at most 0\.75"):
        ToMe(0.8, stride=2)
