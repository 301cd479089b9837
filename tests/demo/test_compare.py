"""The comparison on a tiny random pipeline: turns, keys, figures; and the picture metrics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rich", reason="needs requirements/demo.txt")
pytest.importorskip("matplotlib", reason="needs requirements/demo.txt")

from comparison import metrics
from comparison.loading import largest_grid, native_grid
from comparison.measuring import LevelKeys
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
    # both steps have the paper's factors, as so few have: 2, and the second level whole
    assert todo.runs[0].levels == [LevelKeys(192, 3, 48), LevelKeys(48, 4, 48)]
    assert todo.runs[0].report.steps == (2, 2)
    assert todo.report_line.startswith("ToDo: 192 → 48 keys")
    assert [each.largest_level.keys for each in (baseline, tome)] == [192, 48]
    for result in results:
        first, second = (run.image.tobytes() for run in result.runs)
        assert first == second
        assert [len(run.step_seconds) for run in result.runs] == [2, 2]
        assert 0 < result.step_seconds < result.seconds
        assert result.peak_memory > 2**20
        assert result.image.size == RECIPE.size
    assert (baseline.step_speedup, baseline.differences) == (1, {})
    assert todo.step_speedup == baseline.step_seconds / todo.step_seconds
    assert all(value > 0 for each in (todo, tome) for value in each.differences.values())


def test_the_pipeline_is_as_before_also_when_stopped(sampler: Any) -> None:
    def stop(title: str, done: int, total: int) -> None:
        if title == "ToMe, 1 of 1" and done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(sampler, RECIPE, METHODS, 1, stop)
    modules = list(sampler.unet.modules())
    assert "ToMeBlock" not in {type(module).__name__ for module in modules}
    assert not any(module._forward_pre_hooks for module in modules)


def test_grids(sampler: Any) -> None:
    import diffusers_models

    assert (native_grid(sampler.unet), largest_grid(sampler.unet, RECIPE, 8)) == (8, (12, 16))
    sdxl = diffusers_models.unet_sdxl(sample_size=128)
    assert native_grid(sdxl) == 64
    assert largest_grid(sdxl, Recipe("", width=1024, height=2048), 8) == (128, 64)


def test_tome_merges_what_todo_leaves_out_and_its_stride_reaches_the_ratio() -> None:
    # balanced goes half as far again as the paper: 6 at four times the size
    (tome,) = make_methods(["tome"], Settings(threshold=16), {}, 16, (64, 64))
    assert (tome.settings["ratio"], tome.settings["stride"]) == (0.9722, 6)
    for ratio, stride in {0: 2, 0.74: 2, 0.75: 2, 0.76: 3, 0.89: 3, 0.9375: 4}.items():
        assert tome_options(ratio)["stride"] == stride


def test_metrics_by_hand() -> None:
    """Of a chessboard, all of whose variation is fine, and of a wave as wide as the picture."""
    rows, columns = np.indices((16, 16))
    board, wave = (rows + columns) % 2, 1 + np.cos(2 * np.pi * columns / 16)
    weak, strong, coarse = (
        Image.fromarray(np.stack([values.astype(np.uint8)] * 3, -1))
        for values in (51 * board, 102 * board, 51 * board + 50 * wave)
    )
    # half of the pixels differ by a fifth
    assert metrics.mean_squared_error(strong, weak) == pytest.approx(0.02)
    assert metrics.psnr(strong, weak) == pytest.approx(10 * math.log10(50))
    assert metrics.high_frequency_ratio(strong, weak) == pytest.approx(4)
    assert metrics.high_frequency_ratio(coarse, weak) == pytest.approx(1, abs=0.01)
    assert (metrics.psnr(weak, weak), metrics.high_frequency_ratio(weak, weak)) == (math.inf, 1)
