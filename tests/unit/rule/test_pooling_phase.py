"""Pooling by a phase: shapes, which tokens are taken, and phases that do not exist."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from lib_todo.phase import phase_order
from lib_todo.plan import Grid, pooled_grid
from lib_todo.pooling import pool_tokens
from lib_todo.settings import SettingsError

sides = st.integers(1, 40)
grids = st.tuples(sides, sides)
whole = st.integers(1, 8)
fractional = st.integers(5, 31).map(lambda n: n / 4).filter(lambda f: f != int(f))
PHASED = ("nearest", "nearest-exact")


def numbered(grid: Grid) -> torch.Tensor:
    """Tokens that carry their own index."""
    return torch.arange(math.prod(grid)).reshape(1, -1, 1)


def taken(grid: Grid, factor: float, method: str, phase: tuple[int, int]) -> list[int]:
    return pool_tokens(numbered(grid), grid, factor, method, phase).flatten().tolist()


@given(grid=grids, factor=whole | fractional, method=st.sampled_from(PHASED))
def test_shapes_are_the_same_in_every_phase(grid: Grid, factor: float, method: str) -> None:
    wanted = (1, math.prod(pooled_grid(grid, factor)), 1)
    for phase in phase_order(factor):
        assert pool_tokens(numbered(grid), grid, factor, method, phase).shape == wanted


@given(grid=grids, factor=whole, as_float=st.booleans())
def test_a_whole_factor_takes_the_token_so_many_places_further(
    grid: Grid, factor: int, as_float: bool
) -> None:
    by = float(factor) if as_float else factor
    for down, right in phase_order(factor):
        rows = [min(start + down, grid[0] - 1) for start in range(0, grid[0], factor)]
        columns = [min(start + right, grid[1] - 1) for start in range(0, grid[1], factor)]
        wanted = [row * grid[1] + column for row in rows for column in columns]
        assert taken(grid, by, "nearest", (down, right)) == wanted


@given(grid=grids, factor=fractional)
def test_a_fractional_factor_takes_the_token_that_share_of_a_cell_further(
    grid: Grid, factor: float
) -> None:
    small, cells = pooled_grid(grid, factor), math.ceil(factor)
    assume(small != grid)
    for phase in phase_order(factor):
        rows, columns = (
            [
                min(math.floor((i + Fraction(place, cells)) * Fraction(side, n)), side - 1)
                for i in range(n)
            ]
            for side, n, place in zip(grid, small, phase)
        )
        wanted = [row * grid[1] + column for row in rows for column in columns]
        assert taken(grid, factor, "nearest", phase) == wanted


@given(
    cells=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    factor=whole,
    method=st.sampled_from(PHASED),
)
def test_a_round_takes_each_token_of_a_whole_grid_once(
    cells: Grid, factor: int, method: str
) -> None:
    grid = (cells[0] * factor, cells[1] * factor)
    seen = [index for phase in phase_order(factor) for index in taken(grid, factor, method, phase)]
    assert sorted(seen) == list(range(math.prod(grid)))


@pytest.mark.parametrize(
    ("factor", "method", "phase", "last"),
    [
        (2, "nearest", (2, 0), 1),
        (2, "nearest", (0, -1), 1),
        (2.5, "nearest-exact", (0, 3), 2),
        (1, "nearest", (0, 1), 0),
        (2, "average", (0, 1), 0),
        (4, "max", (1, 0), 0),
        (4, "bilinear", (3, 3), 0),
    ],
)
def test_a_phase_outside_of_the_cell_is_refused_by_name(
    factor: float, method: str, phase: Any, last: int
) -> None:
    with pytest.raises(SettingsError, match="ToDo: phase = ") as caught:
        pool_tokens(numbered((8, 8)), (8, 8), factor, method, phase)
    assert (caught.value.field, caught.value.value) == ("phase", phase)
    assert f"from 0 to {last} for {method}" in str(caught.value)
