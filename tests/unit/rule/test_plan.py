"""The rule: the shared table of cases, and properties against exact arithmetic."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from settings_of import paper

from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.plan import (
    Grid,
    auto_factor,
    in_window,
    latent_grid,
    layer_factor,
    level_grid,
    pass_wanted,
    pooled_grid,
)

CASES = json.loads((Path(__file__).parents[2] / "plan_cases.json").read_text("utf-8"))

sides = st.integers(1, 600)
grids = st.tuples(sides, sides)
thresholds = st.integers(1, 512)
given_factors = st.floats(1, 8) | st.integers(1, 8) | st.integers(4, 32).map(lambda n: n / 4)
any_factors = st.just(0) | given_factors


def is_nearest_whole(whole: int, tokens: int, threshold: int) -> bool:
    """whole ≤ √tokens / threshold + ½ < whole + 1, squared so that nothing is rounded."""
    low, high = Fraction(2 * whole - 1, 2) * threshold, Fraction(2 * whole + 1, 2) * threshold
    return (low <= 0 or low**2 <= tokens) and tokens < high**2


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_shared_table(case: dict[str, Any]) -> None:
    settings = Settings.from_mapping(case["settings"])
    if "architecture" in case:
        latent = latent_grid(case["width"], case["height"])
        levels = SHAPES[case["architecture"]].levels
        grids_seen = [level_grid(latent, level.downscale) for level in levels]
    else:
        grids_seen = [tuple(grid) for grid in case["grids"]]
    largest = max(grids_seen, key=math.prod)
    rows = []
    for grid in grids_seen:
        factor = layer_factor(grid, largest, settings)
        rows.append(
            {"grid": list(grid), "factor": factor, "pooled": list(pooled_grid(grid, factor))}
        )
    assert rows == case["expected"]


def test_the_table_has_what_it_is_for() -> None:
    for name in ("SD 1.x", "SDXL"):
        square = {c["width"] for c in CASES if c.get("architecture") == name}
        assert square >= {512, 768, 1024, 1536, 2048, 520, 1000}
    assert {case["settings"]["preset"] for case in CASES} == {"paper", "balanced", "fast"}
    assert len({case["name"] for case in CASES}) == len(CASES)


@given(tokens=st.integers(1, 4_000_000), threshold=thresholds)
def test_automatic_is_the_nearest_whole_factor(tokens: int, threshold: int) -> None:
    factor = auto_factor(tokens, threshold)
    assert type(factor) is int
    assert 1 <= factor <= 8
    if tokens < Fraction(17 * threshold, 2) ** 2:
        assert is_nearest_whole(factor, tokens, threshold) or (
            factor == 1 and is_nearest_whole(0, tokens, threshold)
        )
    else:
        assert factor == 8


@given(threshold=thresholds, whole=st.integers(1, 7))
def test_automatic_at_the_very_edge(threshold: int, whole: int) -> None:
    # the least number of tokens with √tokens ≥ (whole + ½)·threshold, and one token less
    edge = math.ceil(Fraction((2 * whole + 1) * threshold, 2) ** 2)
    assert auto_factor(edge, threshold) == whole + 1
    assert auto_factor(edge - 1, threshold) == whole


@given(tokens=st.integers(1, 1_000_000), more=st.integers(0, 100_000), threshold=thresholds)
def test_automatic_never_falls_as_the_grid_grows(tokens: int, more: int, threshold: int) -> None:
    assert auto_factor(tokens + more, threshold) >= auto_factor(tokens, threshold)
    if threshold > 1:
        assert auto_factor(tokens, threshold - 1) >= auto_factor(tokens, threshold)


@given(side=st.integers(1, 64), threshold=st.integers(1, 64))
def test_automatic_brings_a_square_back_nearest_to_the_threshold(side: int, threshold: int) -> None:
    # side / threshold is the factor that would bring it back exactly
    wanted = Fraction(side, threshold)
    chosen = auto_factor(side * side, threshold)
    assert abs(chosen - wanted) == min(abs(other - wanted) for other in range(1, 9))


@given(grid=grids, larger=grids, factor=any_factors, deep_factor=any_factors, threshold=thresholds)
def test_which_factor_a_layer_takes(
    grid: Grid, larger: Grid, factor: float, deep_factor: float, threshold: int
) -> None:
    settings = paper(factor=factor, deep_factor=deep_factor, threshold=threshold)
    tokens = math.prod(grid)
    for largest, wanted in ((grid, factor), (larger, deep_factor)):
        if largest is larger and math.prod(larger) <= tokens:
            continue
        got = layer_factor(grid, largest, settings)
        if math.sqrt(tokens) <= threshold:
            assert got == 1
        else:
            assert got == (wanted or auto_factor(tokens, threshold))


@given(grid=grids, factor=any_factors, deep_factor=any_factors, threshold=thresholds)
def test_a_layer_of_the_largest_size_in_another_shape_takes_factor(
    grid: Grid, factor: float, deep_factor: float, threshold: int
) -> None:
    settings = paper(factor=factor, deep_factor=deep_factor, threshold=threshold)
    turned = grid[::-1]
    assert layer_factor(turned, grid, settings) == layer_factor(grid, grid, settings)


@given(grid=grids, factor=st.integers(1, 700), as_float=st.booleans())
def test_whole_factor_rounds_up(grid: Grid, factor: int, as_float: bool) -> None:
    small = pooled_grid(grid, float(factor) if as_float else factor)
    assert small == tuple(len(range(0, side, factor)) for side in grid)
    assert all(type(side) is int for side in small)


@given(grid=grids, factor=given_factors)
def test_fractional_factor_gives_the_nearest_size(grid: Grid, factor: float) -> None:
    assume(factor != int(factor))
    for side, small in zip(grid, pooled_grid(grid, factor)):
        assert type(small) is int
        exact = side / Fraction(factor)
        # a tie within the rounding of a float may go either way
        assert abs(small - exact) <= Fraction(1, 2) + Fraction(1, 10**9) or (
            small == 1 and exact < Fraction(1, 2)
        )


@given(grid=grids, factor=given_factors, more=st.floats(0, 4))
def test_pooled_sides_are_never_empty_nor_larger(grid: Grid, factor: float, more: float) -> None:
    small = pooled_grid(grid, factor)
    assert all(1 <= after <= before for after, before in zip(small, grid))
    if factor != int(factor) and factor + more != int(factor + more):
        less = pooled_grid(grid, factor + more)
        assert all(after <= before for after, before in zip(less, small))


@given(grid=grids)
def test_factor_one_is_the_grid_itself(grid: Grid) -> None:
    assert pooled_grid(grid, 1) == pooled_grid(grid, 1.0) == grid


@given(latent=grids, power=st.integers(0, 4))
def test_a_level_rounds_up_at_every_halving(latent: Grid, power: int) -> None:
    # a convolution of 3, padded by 1, with stride 2, fits ⌊(n - 1) / 2⌋ + 1 times
    grid = latent
    for _ in range(power):
        grid = tuple((side - 1) // 2 + 1 for side in grid)
    assert level_grid(latent, 2**power) == grid


@given(
    total=st.integers(1, 150),
    start=st.integers(0, 100),
    end=st.integers(0, 100),
)
def test_window_in_whole_percents(total: int, start: int, end: int) -> None:
    for step in range(total):
        wanted = Fraction(start, 100) <= Fraction(step, total) < Fraction(end, 100)
        assert in_window(step / total, start / 100, end / 100) is wanted


@given(cut=st.integers(0, 100), start=st.integers(0, 99))
def test_a_pass_that_is_all_behind_belongs_to_a_window_without_an_end(cut: int, start: int) -> None:
    """A model that is called at the timestep 0 has nothing of its pass ahead."""
    assert in_window(1.0, 0, cut / 100) is (cut == 100)
    assert in_window(1.0, start / 100, 1)


@given(total=st.integers(1, 150), cut=st.integers(0, 100))
def test_two_windows_share_the_steps_out(total: int, cut: int) -> None:
    for step in range(total):
        early = in_window(step / total, 0, cut / 100)
        late = in_window(step / total, cut / 100, 1)
        assert early is not late


@pytest.mark.parametrize("total", [1, 2, 7, 20])
def test_full_and_empty_windows(total: int) -> None:
    assert all(in_window(step / total, 0.0, 1.0) for step in range(total))
    assert not any(in_window(step / total, 0.5, 0.5) for step in range(total))
    assert not any(in_window(step / total, 1.0, 1.0) for step in range(total))


@pytest.mark.parametrize("pass_name", ["first", "hires"])
def test_passes(pass_name: str) -> None:
    wanted = [passes for passes in ("both", "first", "hires") if pass_wanted(pass_name, passes)]
    assert wanted == ["both", pass_name]
