"""The rule: the shared table of cases, and properties against exact arithmetic."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings_of import paper

from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.plan import (
    Grid,
    in_window,
    latent_grid,
    layer_factor,
    pooled_grid,
    scaled_factor,
)

CASES = json.loads((Path(__file__).parents[2] / "plan_cases.json").read_text("utf-8"))

sides = st.integers(1, 600)
grids = st.tuples(sides, sides)
thresholds = st.integers(1, 512)
given_factors = st.floats(1, 8) | st.integers(1, 700) | st.integers(4, 32).map(lambda n: n / 4)
any_factors = st.just(0) | given_factors.filter(lambda factor: factor <= 8)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_shared_table(case: dict[str, Any]) -> None:
    settings = Settings.from_mapping(case["settings"])
    if "architecture" in case:
        latent = latent_grid(case["width"], case["height"])
        levels = SHAPES[case["architecture"]].levels
        grids_seen = [pooled_grid(latent, downscale) for downscale in levels]
    else:
        grids_seen = [tuple(grid) for grid in case["grids"]]
    largest = max(grids_seen, key=math.prod)
    rows = []
    for grid in grids_seen:
        factor = layer_factor(grid, largest, settings)
        rows.append((list(grid), factor, list(pooled_grid(grid, factor))))
    assert rows == [(row["grid"], row["factor"], row["pooled"]) for row in case["expected"]]


@given(tokens=st.integers(1, 4_000_000), threshold=thresholds)
def test_automatic_is_the_nearest_whole_factor(tokens: int, threshold: int) -> None:
    # the largest n with n - ½ <= √tokens / threshold, squared so that nothing is rounded
    fits = [n for n in range(1, 9) if (Fraction(2 * n - 1, 2) * threshold) ** 2 <= tokens]
    factor = scaled_factor(tokens, threshold, 1)
    assert (factor, type(factor)) == (max(fits, default=1), int)


@given(grid=grids, larger=grids, factor=any_factors, deep_factor=any_factors, threshold=thresholds)
def test_which_factor_a_layer_takes(
    grid: Grid, larger: Grid, factor: float, deep_factor: float, threshold: int
) -> None:
    settings = paper(factor=factor, deep_factor=deep_factor, threshold=threshold)
    tokens = math.prod(grid)
    # the largest size may be another shape's
    for largest, wanted in ((grid, factor), (grid[::-1], factor), (larger, deep_factor)):
        if largest is larger and math.prod(larger) <= tokens:
            continue
        pooled = wanted or scaled_factor(tokens, threshold, 1)
        expected = pooled if tokens > threshold**2 else 1
        assert layer_factor(grid, largest, settings) == expected


@given(grid=grids, factor=given_factors)
def test_the_pooled_grid_is_rounded_up_by_a_whole_factor_and_else_to_the_nearest(
    grid: Grid, factor: float
) -> None:
    for side, small in zip(grid, pooled_grid(grid, factor)):
        exact = side / Fraction(factor)
        assert type(small) is int
        if factor == int(factor):
            assert small == math.ceil(exact)
        else:
            # a tie within the rounding of a float may go either way
            near = abs(small - exact) <= Fraction(1, 2) + Fraction(1, 10**9)
            assert near or (small == 1 and exact < Fraction(1, 2))


@given(latent=grids, power=st.integers(0, 4))
def test_a_level_rounds_up_at_every_halving(latent: Grid, power: int) -> None:
    # a convolution of 3, padded by 1, with stride 2, fits ⌊(n - 1) / 2⌋ + 1 times
    grid = latent
    for _ in range(power):
        grid = tuple((side - 1) // 2 + 1 for side in grid)
    assert pooled_grid(latent, 2**power) == grid


@given(total=st.integers(1, 150), start=st.integers(0, 100), end=st.integers(0, 100))
def test_window_in_whole_percents(total: int, start: int, end: int) -> None:
    for step in range(total):
        wanted = Fraction(start, 100) <= Fraction(step, total) < Fraction(end, 100)
        assert in_window(step / total, start / 100, end / 100) is wanted


@pytest.mark.parametrize("start, end", [(0, 0.99), (0, 1), (0.99, 1), (1, 1)])
def test_a_pass_that_is_all_behind_belongs_to_a_window_without_an_end(
    start: float, end: float
) -> None:
    """A model that is called at the timestep 0 has nothing of its pass ahead."""
    assert in_window(1.0, start, end) is (start < end == 1)
