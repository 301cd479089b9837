"""Pooling against plain loops: every grid, factor, method, dtype and layout; copies; errors."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pooling_reference as reference
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lib_todo import SettingsError, pool_tokens, pooling
from lib_todo.plan import Grid
from lib_todo.settings import METHODS

TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
THIN_AND_PRIME = [(1, 1), (1, 2), (1, 37), (31, 1), (2, 2), (7, 11), (13, 13), (2, 23)]
LAYOUTS = ["rows", "channels first", "part of a wider tensor", "every other one", "expanded"]

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
    method=methods,
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


@given(grid=grids, factor=st.integers(2, 30), is_transposed=st.booleans())
def test_without_words_it_is_the_plain_lattice_by_one_copy_of_what_is_left(
    grid: Grid, factor: int, is_transposed: bool
) -> None:
    tokens = laid_out(random_tokens(grid), "channels first" if is_transposed else "rows")
    with Allocations() as allocations:
        pooled = pool_tokens(tokens, grid, float(factor))
    plain = tokens.reshape(2, *grid, 3)[:, ::factor, ::factor].reshape(2, -1, 3)
    assert torch.equal(pooled, plain)
    assert len(allocations.found) <= 1
    assert all(nbytes == pooled.numel() * 4 for nbytes in allocations.found)


def test_copies_are_seen_and_the_lattice_is_contiguous() -> None:
    tokens = torch.randn(2, 48 * 64, 8)
    for method in ("nearest", "nearest-exact"):
        with Allocations() as allocations:
            assert pool_tokens(tokens, (48, 64), 2, method).is_contiguous()
        assert len(allocations.found) == 1


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
