"""The cost of pooling: nearest by a whole factor is a strided view and a single, small copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lib_todo import pool_tokens
from lib_todo.plan import Grid

sides = st.integers(1, 24)


class Allocations(TorchDispatchMode):
    """Notes every operation whose result lives in memory of its own, and how much it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given, _ = tree_flatten((args, kwargs))
        made, _ = tree_flatten(result)
        old = {memory(leaf) for leaf in given if is_tensor(leaf)}
        new = [leaf for leaf in made if is_tensor(leaf) and memory(leaf) not in old]
        self.found += [(str(func), leaf.untyped_storage().nbytes()) for leaf in new]
        return result


def is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor)


def memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def lattice(tokens: torch.Tensor, grid: Grid, factor: int) -> torch.Tensor:
    rows = [y * grid[1] + x for y in range(0, grid[0], factor) for x in range(0, grid[1], factor)]
    return torch.stack([tokens[:, row] for row in rows], dim=1)


@given(height=sides, width=sides, factor=st.integers(1, 30), as_float=st.booleans())
def test_the_top_left_token_of_every_cell(
    height: int, width: int, factor: int, as_float: bool
) -> None:
    tokens = torch.randn(2, height * width, 3)
    pooled = pool_tokens(tokens, (height, width), float(factor) if as_float else factor)
    assert torch.equal(pooled, lattice(tokens, (height, width), factor))


@given(height=sides, width=sides, factor=st.integers(2, 30), is_transposed=st.booleans())
def test_at_most_one_copy_of_no_more_than_what_is_left(
    height: int, width: int, factor: int, is_transposed: bool
) -> None:
    tokens = torch.randn(2, height * width, 3)
    if is_transposed:
        tokens = torch.randn(2, 3, height * width).transpose(1, 2)
    with Allocations() as allocations:
        pooled = pool_tokens(tokens, (height, width), factor)
    assert len(allocations.found) <= 1
    assert all(nbytes == pooled.numel() * 4 for _, nbytes in allocations.found)


@pytest.mark.parametrize("factor", [2, 3.0, 4])
def test_one_copy_at_a_real_size(factor: float) -> None:
    tokens = torch.randn(2, 48 * 64, 8)
    with Allocations() as allocations:
        pooled = pool_tokens(tokens, (48, 64), factor)
    assert len(allocations.found) == 1
    assert pooled.is_contiguous()


def test_the_counter_sees_what_copies_more() -> None:
    tokens = torch.randn(2, 48 * 64, 8)
    with Allocations() as allocations:
        pool_tokens(tokens, (48, 64), 2, "nearest-exact")
    assert len(allocations.found) > 1
