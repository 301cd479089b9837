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
from demo.methods import ToDo, ToMe, make_methods
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
    assert todo.runs[0].report["steps"] == {"pooled": 2, "seen": 2}
    assert todo.runs[0].report_line.startswith("ToDo: 192 → 24, 48 → 12 keys")
    assert [each.largest_level for each in (baseline, tome)] == [(192, 192), (192, 48)]
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
    half = ToDo(Settings(threshold=8, factor=2, end=0.5))
    recipe = dataclasses.replace(RECIPE, first=None)
    (result,) = compare(sampler, recipe, [half], 1, lambda *_: None)
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
    assert (tome.ratio, tome.stride) == (0.9722, 6)
    for ratio, stride in {0: 2, 0.74: 2, 0.75: 2, 0.76: 3, 0.89: 3, 0.9375: 4}.items():
        assert ToMe(ratio).stride == stride


def picture(seed: int, width: int = 6, height: int = 5) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def energy_by_loops(image: Image.Image) -> float:
    """The discrete Fourier transform written out."""
    width, height = image.size
    luma = {
        (x, y): np.dot((0.299, 0.587, 0.114), image.getpixel((x, y))) / 255
        for x in range(width)
        for y in range(height)
    }
    energy = 0.0
    for u in range(width):
        for v in range(height):
            # frequencies above a half stand for negative ones
            fx, fy = (min(k, n - k) / n for k, n in ((u, width), (v, height)))
            if math.hypot(fx, fy) > 0.25:
                turns = {at: u * at[0] / width + v * at[1] / height for at in luma}
                terms = (luma[at] * cmath.exp(-2j * cmath.pi * turns[at]) for at in luma)
                energy += abs(sum(terms)) ** 2
    return energy / (width * height)


def test_metrics_by_loops() -> None:
    a, b = picture(1), picture(2)
    places = [(x, y, c) for x in range(6) for y in range(5) for c in range(3)]
    errors = [((a.getpixel(at[:2])[at[2]] - b.getpixel(at[:2])[at[2]]) / 255) ** 2 for at in places]
    wanted = sum(errors) / len(errors)
    assert metrics.mean_squared_error(a, b) == pytest.approx(wanted)
    assert metrics.psnr(a, b) == pytest.approx(10 * math.log10(1 / wanted))
    wanted = energy_by_loops(a) / energy_by_loops(b)
    assert metrics.high_frequency_ratio(a, b) == pytest.approx(wanted)
    assert (metrics.psnr(a, a), metrics.high_frequency_ratio(a, a)) == (math.inf, 1)
