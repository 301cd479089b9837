"""The comparison on a tiny random pipeline: turns, keys, figures; and the picture metrics."""

from __future__ import annotations

import cmath
import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("rich", reason="needs requirements/demo.txt")

from comparison import metrics
from comparison.loading import largest_grid, native_grid
from comparison.measuring import KeyCounter, LevelKeys
from comparison.recipe import Recipe
from demo.compare import Result, compare
from demo.methods import make_methods, tome_options
from lib_todo import Settings

RECIPE = Recipe(
    "a fox", seed=1, steps=4, guidance=3, width=128, height=96, first=(64, 64), strength=0.5
)
SETTINGS = Settings(threshold=8)
METHODS = make_methods(["baseline", "todo", "tome"], SETTINGS, {"ratio": 0.75}, 8, (12, 16))


@pytest.fixture(scope="module")
def told() -> list:
    return []


@pytest.fixture(scope="module")
def results(sampler: Any, told: list) -> list[Result]:
    return compare(sampler, RECIPE, METHODS, 2, lambda *args: told.append(args))


def test_methods_take_turns_after_a_warm_up(results: list[Result], told: list) -> None:
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


def test_keys_and_figures(results: list[Result]) -> None:
    baseline, todo, tome = results
    # the first of the two steps leads in with the paper's factors: 2, and the second level whole
    assert todo.runs[0].levels == [
        LevelKeys(192, 3, (48 + 24) / 2),
        LevelKeys(48, 4, (48 + 12) / 2),
    ]
    assert todo.runs[0].report.steps == (2, 2)
    assert todo.report_line.startswith("ToDo: 192 → 24, 48 → 12 keys")
    assert [each.largest_level.keys for each in (baseline, tome)] == [192, 48]
    for result in results:
        first, second = (run.image.tobytes() for run in result.runs)
        assert first == second
        assert [len(run.step_seconds) for run in result.runs] == [2, 2]
        assert 0 < result.step_seconds < result.seconds
        assert result.peak_memory > 2**20
        assert result.image.size == RECIPE.size
    assert (baseline.step_speedup, baseline.mse) == (1, None)
    assert todo.step_speedup == baseline.step_seconds / todo.step_seconds
    assert all(r.mse > 0 and r.psnr > 0 and r.high_frequency_ratio > 0 for r in (todo, tome))


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


def test_a_window_shows_in_the_keys_and_without_a_baseline_nothing_is_compared(
    sampler: Any,
) -> None:
    half = Settings(threshold=8, factor=2, end=0.5)
    recipe = dataclasses.replace(RECIPE, first=None)
    methods = make_methods(["todo"], half, {}, 8, (12, 16))
    (result,) = compare(sampler, recipe, methods, 1, lambda *_: None)
    assert result.runs[0].levels[0] == LevelKeys(192, 3, (192 + 48) / 2)
    assert (result.to_dict()["speedup"], result.psnr) == ({"step": None, "total": None}, None)


def test_grids(sampler: Any) -> None:
    import diffusers_models

    assert (native_grid(sampler.unet), largest_grid(sampler.unet, RECIPE, 8)) == (8, (12, 16))
    sdxl = diffusers_models.unet_sdxl(sample_size=128)
    assert native_grid(sdxl) == 64
    assert largest_grid(sdxl, Recipe("", width=1024, height=2048), 8) == (128, 64)
    with torch.no_grad(), KeyCounter(sdxl).counting() as counter:
        diffusers_models.run_unet(sdxl, 16, 12)
    assert counter.levels() == [LevelKeys(48, 8, 48)]


def test_tome_merges_what_todo_leaves_out_and_its_stride_reaches_the_ratio() -> None:
    # balanced goes half as far again as the paper: 6 at four times the size
    (tome,) = make_methods(["tome"], Settings(threshold=16), {}, 16, (64, 64))
    assert (tome.settings["ratio"], tome.settings["stride"]) == (0.9722, 6)
    for ratio, stride in {0: 2, 0.74: 2, 0.75: 2, 0.76: 3, 0.89: 3, 0.9375: 4}.items():
        assert tome_options(ratio)["stride"] == stride


def test_metrics_by_loops() -> None:
    """The mean over values, and the discrete Fourier transform of the brightness written out."""
    a, b = (
        np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8) for seed in (1, 2)
    )
    wanted = np.mean([((float(x) - float(y)) / 255) ** 2 for x, y in zip(a.flat, b.flat)])
    first, second = map(Image.fromarray, (a, b))
    assert metrics.mean_squared_error(first, second) == pytest.approx(wanted)
    assert metrics.psnr(first, second) == pytest.approx(10 * math.log10(1 / wanted))
    wanted = energy_by_loops(a) / energy_by_loops(b)
    assert metrics.high_frequency_ratio(first, second) == pytest.approx(wanted)
    assert (metrics.psnr(first, first), metrics.high_frequency_ratio(first, first)) == (math.inf, 1)


def energy_by_loops(image: np.ndarray) -> float:
    luma = image @ (0.299, 0.587, 0.114) / 255
    height, width = luma.shape
    energy = 0.0
    for v, u in np.ndindex(height, width):
        # frequencies above a half stand for negative ones
        fy, fx = (min(k, n - k) / n for k, n in ((v, height), (u, width)))
        if math.hypot(fx, fy) > 0.25:
            turns = [u * x / width + v * y / height for y, x in np.ndindex(height, width)]
            terms = (
                value * cmath.exp(-2j * cmath.pi * turn) for value, turn in zip(luma.flat, turns)
            )
            energy += abs(sum(terms)) ** 2
    return energy
