"""On grids that the factor divides, pooling is PyTorch's operation of the same name, exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from hypothesis import given
from hypothesis import strategies as st
from pooling_reference import IS_TORCH_2_1

from lib_todo import pool_tokens, pooling
from lib_todo.plan import Grid

DTYPES = [torch.float32, torch.float64]
if not IS_TORCH_2_1:
    DTYPES += [torch.float16, torch.bfloat16]
# numerator and denominator: sides are multiples of the numerator, so the factor divides them
FRACTIONS = [(3, 2), (5, 2), (5, 4), (7, 4), (6, 5), (11, 10), (15, 2)]

cells = st.integers(1, 6)
dtypes = st.sampled_from(DTYPES)


def by_torch(tokens: torch.Tensor, grid: Grid, small: Grid, method: str) -> torch.Tensor:
    planes = rearrange(tokens, "b (h w) c -> b c h w", h=grid[0])
    if method == "average":
        pooled = F.adaptive_avg_pool2d(planes, small)
    elif method == "max":
        pooled = F.adaptive_max_pool2d(planes, small)
    else:
        pooled = F.interpolate(planes, size=small, mode=method)
    return rearrange(pooled, "b c h w -> b (h w) c")


def random_tokens(grid: Grid, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(2, grid[0] * grid[1], 3).to(dtype)


@pytest.mark.parametrize("method", ["nearest", "nearest-exact", "bilinear"])
@given(rows=cells, columns=cells, factor=st.integers(1, 8), dtype=dtypes)
def test_interpolate(method: str, rows: int, columns: int, factor: int, dtype: torch.dtype) -> None:
    grid = rows * factor, columns * factor
    tokens = random_tokens(grid, dtype)
    pooled = pool_tokens(tokens, grid, factor, method)
    assert torch.equal(pooled, by_torch(tokens, grid, (rows, columns), method))


@pytest.mark.parametrize("method", ["nearest", "nearest-exact", "bilinear"])
@given(rows=cells, columns=cells, factor=st.sampled_from([1, 2, 4, 8]))
def test_interpolate_by_scale(method: str, rows: int, columns: int, factor: int) -> None:
    grid = rows * factor, columns * factor
    tokens = random_tokens(grid, torch.float32)
    planes = rearrange(tokens, "b (h w) c -> b c h w", h=grid[0])
    scaled = F.interpolate(planes, scale_factor=1 / factor, mode=method)
    pooled = pool_tokens(tokens, grid, factor, method)
    assert torch.equal(pooled, rearrange(scaled, "b c h w -> b (h w) c"))


@pytest.mark.parametrize(("method", "pool"), [("average", F.avg_pool2d), ("max", F.max_pool2d)])
@given(rows=cells, columns=cells, factor=st.integers(1, 8), dtype=dtypes)
def test_average_and_max_pool(
    method: str,
    pool: Callable[..., torch.Tensor],
    rows: int,
    columns: int,
    factor: int,
    dtype: torch.dtype,
) -> None:
    grid = rows * factor, columns * factor
    tokens = random_tokens(grid, dtype)
    planes = rearrange(tokens, "b (h w) c -> b c h w", h=grid[0])
    wanted = rearrange(pool(planes, factor), "b c h w -> b (h w) c")
    assert torch.equal(pool_tokens(tokens, grid, factor, method), wanted)


@pytest.mark.parametrize("method", ["nearest", "nearest-exact", "bilinear", "average", "max"])
@given(rows=cells, columns=cells, fraction=st.sampled_from(FRACTIONS), dtype=dtypes)
def test_fractional_factors_that_divide(
    method: str, rows: int, columns: int, fraction: tuple[int, int], dtype: torch.dtype
) -> None:
    over, under = fraction
    grid, small = (rows * over, columns * over), (rows * under, columns * under)
    tokens = random_tokens(grid, dtype)
    pooled = pool_tokens(tokens, grid, over / under, method)
    assert torch.equal(pooled, by_torch(tokens, grid, small, method))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["max", "average"])
def test_where_adaptive_pooling_is_wrong_the_processor_does_it(
    method: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = random_tokens((7, 5), dtype).requires_grad_()
    expected = pool_tokens(tokens.float(), (7, 5), 1.5, method).to(dtype)
    assert {"mps"} == pooling.WITHOUT_ADAPTIVE_POOLING
    monkeypatch.setattr(pooling, "WITHOUT_ADAPTIVE_POOLING", {"cpu"})
    got = pool_tokens(tokens, (7, 5), 1.5, method)
    assert torch.equal(got, expected) and got.dtype is dtype
    got.sum().backward()
    assert tokens.grad is not None
