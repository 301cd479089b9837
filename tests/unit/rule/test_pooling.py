"""Pooling against plain loops: grids, factors, methods, dtypes, layouts, phases; copies; errors."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import pooling_reference as reference
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lib_todo import SettingsError, pool_tokens, pooling
from lib_todo.phase import phase_order
from lib_todo.plan import Grid, pooled_grid
from lib_todo.settings import METHODS

TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
THIN_AND_PRIME = [(1, 1), (1, 2), (1, 37), (31, 1), (2, 2), (7, 11), (13, 13), (2, 23)]
LAYOUTS = ["rows", "channels first", "part of a wider tensor", "every other one", "expanded"]
PHASED = ("nearest", "nearest-exact")
DTYPES = [d for d in TOLERANCE if not (reference.IS_TORCH_2_1 and d is torch.float16)]

sides = st.integers(1, 14)
grids = st.sampled_from(THIN_AND_PRIME) | st.tuples(sides, sides)
factors = (
    st.integers(1, 16)
    | st.integers(1, 16).map(float)
    | st.floats(1, 16)
    | st.sampled_from([1.5, 2.5, 1.01, 1.2, 7.5])
)
larger_grids = st.tuples(st.integers(1, 40), st.integers(1, 40))
whole = st.integers(1, 8)
quarters = st.integers(4, 31).map(lambda n: n / 4)


def random_tokens(grid: Grid) -> torch.Tensor:
    return torch.randn(2, grid[0] * grid[1], 3)


def laid_out(tokens: torch.Tensor, layout: str) -> torch.Tensor:
    """The tokens in memory as hosts also have them."""
    batch, count, width = tokens.shape
    if layout == "channels first":
        return tokens.transpose(1, 2).contiguous().transpose(1, 2)
    if layout == "part of a wider tensor":
        wide = torch.zeros(batch + 1, count + 2, width + 3, dtype=tokens.dtype)
        return wide[1:, 1 : count + 1, 2 : width + 2].copy_(tokens)
    if layout == "every other one":
        return torch.zeros(batch, 2 * count, width, dtype=tokens.dtype)[:, ::2].copy_(tokens)
    return tokens[:1].expand(batch, count, width) if layout == "expanded" else tokens


@given(
    grid=grids,
    factor=factors,
    method=st.sampled_from(METHODS),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(LAYOUTS),
)
def test_equals_the_loops(
    grid: Grid, factor: float, method: str, dtype: torch.dtype, layout: str
) -> None:
    tokens = laid_out(random_tokens(grid).to(dtype), layout)
    before = tokens.clone()
    pooled = pool_tokens(tokens, grid, factor, method)
    wanted = reference.pool(tokens, grid, factor, method)
    assert (pooled.dtype, pooled.shape) == (dtype, wanted.shape)
    if method in reference.CHOOSING:
        assert torch.equal(pooled.double(), wanted)
    else:
        close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
        torch.testing.assert_close(pooled.double(), wanted, **close)
    assert torch.equal(tokens, before)
    # the same tensor where the grid does not get smaller
    small = [reference.small_side(side, factor) for side in grid]
    assert (pooled is tokens) is (small == list(grid))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["max", "average"])
def test_where_adaptive_pooling_is_wrong_the_processor_does_it(
    method: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = random_tokens((7, 5)).to(dtype).requires_grad_()
    expected = pool_tokens(tokens.float(), (7, 5), 1.5, method).to(dtype)
    assert {"mps"} == pooling.WITHOUT_ADAPTIVE_POOLING
    monkeypatch.setattr(pooling, "WITHOUT_ADAPTIVE_POOLING", {"cpu"})
    got = pool_tokens(tokens, (7, 5), 1.5, method)
    assert torch.equal(got, expected) and got.dtype is dtype
    got.sum().backward()
    assert tokens.grad is not None


class Allocations(TorchDispatchMode):
    """How many bytes the result of each operation holds that lives in memory of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[int] = []

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        old, new = (
            {leaf.untyped_storage().data_ptr(): leaf for leaf in leaves if torch.is_tensor(leaf)}
            for leaves in (tree_flatten((args, kwargs))[0], tree_flatten(result)[0])
        )
        made = [leaf for memory, leaf in new.items() if memory not in old]
        self.found += [leaf.untyped_storage().nbytes() for leaf in made]
        return result


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", PHASED)
@pytest.mark.parametrize("grid", [(6, 8), (7, 5)])
def test_one_copy_of_what_is_left(grid: Grid, method: str, layout: str) -> None:
    tokens = laid_out(random_tokens(grid), layout)
    with Allocations() as allocations:
        pooled = pool_tokens(tokens, grid, 2, method)
    assert allocations.found == [pooled.numel() * 4]
    assert pooled.is_contiguous()
    # without words it is the paper's lattice
    plain = pool_tokens(tokens, grid, 2.0)
    assert torch.equal(plain, pool_tokens(tokens, grid, 2, "nearest", (0, 0)))


def taken(grid: Grid, factor: float, method: str, phase: tuple[int, int]) -> list[int]:
    """Which tokens of a grid are left."""
    numbered = torch.arange(math.prod(grid)).reshape(1, -1, 1)
    return pool_tokens(numbered, grid, factor, method, phase).flatten().tolist()


@given(grid=larger_grids, factor=whole | quarters)
def test_a_phase_takes_the_token_that_share_of_a_cell_further(grid: Grid, factor: float) -> None:
    cells = math.ceil(factor)

    def token(cell: int, place: int, side: int, count: int) -> int:
        if factor == cells:
            return cell * cells + place
        return math.floor((cell + Fraction(place, cells)) * Fraction(side, count))

    for phase in phase_order(factor):
        rows, columns = (
            [min(token(cell, place, side, count), side - 1) for cell in range(count)]
            for side, count, place in zip(grid, pooled_grid(grid, factor), phase)
        )
        wanted = [row * grid[1] + column for row in rows for column in columns]
        assert taken(grid, factor, "nearest", phase) == wanted
        assert len(taken(grid, factor, "nearest-exact", phase)) == len(wanted)


@given(cells=st.tuples(st.integers(1, 5), st.integers(1, 5)), factor=whole)
@pytest.mark.parametrize("method", PHASED)
def test_a_round_takes_each_token_of_a_whole_grid_once(
    cells: Grid, factor: int, method: str
) -> None:
    grid = (cells[0] * factor, cells[1] * factor)
    seen = [index for phase in phase_order(factor) for index in taken(grid, factor, method, phase)]
    assert sorted(seen) == list(range(math.prod(grid)))


NUMBERS = [0, 0.0, 0.999, -2, math.nan, math.inf, -math.inf, True, "2", None, [2], 1j]
ANY = "one of nearest, nearest-exact, average, max, bilinear"


@pytest.mark.parametrize(
    ("field", "value", "other", "allowed"),
    [
        *[("factor", factor, {}, "a finite number of at least 1") for factor in NUMBERS],
        *[("method", method, {}, ANY) for method in ("", "Nearest", "bicubic", None, 1)],
        *[("phase", phase, {}, "from 0 to 1 for nearest by 2") for phase in ((2, 0), (0, -1))],
        ("phase", (0, 3), {"method": "nearest-exact", "factor": 2.5}, "to 2 for nearest-exact by"),
        ("phase", (0, 1), {"factor": 1}, "from 0 to 0"),
        *[
            ("phase", (1, 0), {"method": method, "factor": 4}, f"from 0 to 0 for {method} by 4")
            for method in ("average", "max", "bilinear")
        ],
    ],
)
def test_what_cannot_be_is_refused_by_name(
    field: str, value: Any, other: dict[str, Any], allowed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        pool_tokens(random_tokens((4, 4)), (4, 4), **{"factor": 2, **other, field: value})
    assert (caught.value.field, caught.value.value) == (field, value)
    assert str(caught.value).startswith(f"ToDo: {field} = {value!r} ")
    assert allowed in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((2, 15, 3), (4, 4)),
        ((2, 16), (4, 4)),
        ((2, 4, 4, 3), (4, 4)),
        ((2, 16, 3), (-4, -4)),
        ((2, 0, 3), (0, 4)),
        ((2, 0, 3), (4, 0)),
    ],
)
@pytest.mark.parametrize("factor", [1, 2])
def test_tokens_that_are_not_of_the_grid(shape: tuple[int, ...], grid: Grid, factor: float) -> None:
    with pytest.raises(ValueError, match=r"not \[b, h·w, c\]") as caught:
        pool_tokens(torch.zeros(shape), grid, factor)
    assert str(shape) in str(caught.value)
    assert f"{grid[0]}×{grid[1]}" in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_batch(method: str) -> None:
    assert pool_tokens(torch.zeros(0, 20, 3), (4, 5), 2, method).shape == (0, 6, 3)
