"""Pooling against plain loops: every grid, factor, method, dtype and layout; gradients; errors."""

from __future__ import annotations

import math
from typing import Any

import pooling_reference as reference
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import SettingsError, pool_tokens
from lib_todo.plan import Grid
from lib_todo.settings import METHODS

TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
THIN_AND_PRIME = [(1, 1), (1, 2), (1, 37), (31, 1), (2, 2), (7, 11), (13, 13), (2, 23)]

sides = st.integers(1, 14)
grids = st.sampled_from(THIN_AND_PRIME) | st.tuples(sides, sides)
factors = (
    st.integers(1, 16)
    | st.integers(1, 16).map(float)
    | st.floats(1, 16)
    | st.sampled_from([1.5, 2.5, 1.01, 1.2, 7.5])
)
methods = st.sampled_from(METHODS)
DTYPES = [d for d in TOLERANCE if not (reference.IS_TORCH_2_1 and d is torch.float16)]
dtypes = st.sampled_from(DTYPES)


def random_tokens(grid: Grid, batch: int = 2, width: int = 3, **options: Any) -> torch.Tensor:
    return torch.randn(batch, grid[0] * grid[1], width, **options)


def same_values(tokens: torch.Tensor, layout: str) -> torch.Tensor:
    """The same tokens, in memory as hosts also have them."""
    batch, count, width = tokens.shape
    if layout == "channels first":
        return tokens.transpose(1, 2).contiguous().transpose(1, 2)
    if layout == "part of a wider tensor":
        return torch.zeros(batch + 1, count + 2, width + 3, dtype=tokens.dtype)[
            1:, 1 : count + 1, 2 : width + 2
        ].copy_(tokens)
    if layout == "every other one":
        return torch.zeros(batch, 2 * count, width, dtype=tokens.dtype)[:, ::2].copy_(tokens)
    if layout == "expanded":
        return tokens[:1].expand(batch, count, width)
    return tokens


@given(grid=grids, factor=factors, method=methods, dtype=dtypes)
def test_equals_the_loops(grid: Grid, factor: float, method: str, dtype: torch.dtype) -> None:
    tokens = random_tokens(grid).to(dtype)
    pooled = pool_tokens(tokens, grid, factor, method)
    wanted = reference.pool(tokens, grid, factor, method)
    assert pooled.dtype is dtype
    assert pooled.shape == wanted.shape
    if method in reference.CHOOSING:
        assert torch.equal(pooled.double(), wanted)
    else:
        torch.testing.assert_close(
            pooled.double(), wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
        )


@given(
    grid=grids,
    factor=factors,
    method=methods,
    layout=st.sampled_from(
        ["channels first", "part of a wider tensor", "every other one", "expanded"]
    ),
)
def test_the_layout_in_memory_makes_no_difference(
    grid: Grid, factor: float, method: str, layout: str
) -> None:
    tokens = same_values(random_tokens(grid), layout)
    before = tokens.clone()
    pooled = pool_tokens(tokens, grid, factor, method)
    torch.testing.assert_close(pooled, pool_tokens(before, grid, factor, method))
    assert torch.equal(tokens, before)


@given(grid=grids, method=methods, factor=factors)
def test_the_same_tensor_where_the_grid_does_not_get_smaller(
    grid: Grid, method: str, factor: float
) -> None:
    tokens = random_tokens(grid)
    small = [reference.small_side(side, factor) for side in grid]
    assert (pool_tokens(tokens, grid, factor, method) is tokens) is (small == list(grid))
    assert pool_tokens(tokens, grid, 1, method) is tokens


@given(grid=grids, method=methods, factor=factors)
def test_equal_tokens_stay_what_they_are(grid: Grid, method: str, factor: float) -> None:
    """The weights of every cell add up to one, at the edges too."""
    token = torch.randn(1, 1, 5)
    pooled = pool_tokens(token.expand(2, grid[0] * grid[1], 5), grid, factor, method)
    torch.testing.assert_close(pooled, token.expand_as(pooled))


@given(grid=grids, factor=factors, method=methods)
def test_batch_and_channels_do_not_mix(grid: Grid, factor: float, method: str) -> None:
    tokens = random_tokens(grid, batch=3, width=4)
    whole = pool_tokens(tokens, grid, factor, method)
    alone = pool_tokens(tokens[1:2, :, 2:3], grid, factor, method)
    torch.testing.assert_close(whole[1:2, :, 2:3], alone)


@given(grid=grids, factor=factors, method=st.sampled_from(["nearest", "average"]))
def test_commutes_with_a_linear_map(grid: Grid, factor: float, method: str) -> None:
    """Why pooling may come before the key and value projections."""
    tokens, weight = random_tokens(grid, dtype=torch.float64), torch.randn(3, 5).double()
    torch.testing.assert_close(
        pool_tokens(tokens, grid, factor, method) @ weight,
        pool_tokens(tokens @ weight, grid, factor, method),
    )


@given(grid=grids, factor=factors, method=methods)
def test_turning_the_image_turns_the_result(grid: Grid, factor: float, method: str) -> None:
    height, width = grid
    tokens = random_tokens(grid)
    turned = tokens.reshape(2, height, width, 3).transpose(1, 2).reshape(2, -1, 3)
    small = [reference.small_side(side, factor) for side in grid]
    pooled = pool_tokens(tokens, grid, factor, method).reshape(2, *small, 3)
    pooled_turned = pool_tokens(turned, (width, height), factor, method)
    torch.testing.assert_close(pooled_turned, pooled.transpose(1, 2).reshape(2, -1, 3))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("grid", "factor"), [((3, 5), 2), ((4, 4), 2.0), ((5, 3), 1.5), ((1, 7), 3), ((2, 3), 8)]
)
def test_gradients_flow(method: str, grid: Grid, factor: float) -> None:
    # far apart, so that the greatest of a cell stays the greatest
    values = torch.randperm(2 * grid[0] * grid[1] * 2).double().reshape(2, -1, 2)
    tokens = values.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: pool_tokens(t, grid, factor, method), (tokens,))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2, 1.5])
def test_gradients_flow_in_every_dtype(dtype: torch.dtype, method: str, factor: float) -> None:
    tokens = random_tokens((5, 7)).to(dtype).requires_grad_()
    pool_tokens(tokens, (5, 7), factor, method).sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.dtype is dtype
    assert tokens.grad.abs().sum() > 0


@pytest.mark.parametrize("method", METHODS)
def test_without_words_it_is_nearest(method: str) -> None:
    tokens = random_tokens((6, 6))
    is_same = torch.equal(pool_tokens(tokens, (6, 6), 3), pool_tokens(tokens, (6, 6), 3, method))
    assert is_same is (method == "nearest")


@pytest.mark.parametrize(
    "factor", [0, 0.0, 0.999, -2, math.nan, math.inf, -math.inf, True, "2", None, [2], 1j]
)
def test_bad_factor(factor: Any) -> None:
    with pytest.raises(SettingsError, match=r"ToDo: factor = .*at least 1") as caught:
        pool_tokens(random_tokens((4, 4)), (4, 4), factor)
    assert repr(factor) in str(caught.value)


@pytest.mark.parametrize("method", ["", "Nearest", "bicubic", None, 1])
def test_bad_method(method: Any) -> None:
    with pytest.raises(SettingsError, match=r"ToDo: method = ") as caught:
        pool_tokens(random_tokens((4, 4)), (4, 4), 2, method)
    assert repr(method) in str(caught.value)
    assert all(known in str(caught.value) for known in METHODS)


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((2, 15, 3), (4, 4)),
        ((2, 17, 3), (4, 4)),
        ((2, 16), (4, 4)),
        ((2, 4, 4, 3), (4, 4)),
        ((2, 16, 3), (-4, -4)),
        ((2, 0, 3), (0, 4)),
        ((2, 16, 3), (8, 4)),
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
    pooled = pool_tokens(torch.zeros(0, 20, 3), (4, 5), 2, method)
    assert pooled.shape == (0, 6, 3)
