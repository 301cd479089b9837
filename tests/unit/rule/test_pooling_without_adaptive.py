"""Devices without correct adaptive pooling (MPS): the same results by our own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lib_todo import pool_tokens, pooling
from lib_todo.pooling import WITHOUT_ADAPTIVE_POOLING


def test_mps_is_such_a_device() -> None:
    assert "mps" in WITHOUT_ADAPTIVE_POOLING


@pytest.fixture
def cpu_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor stands in for it, and its adaptive pooling is not to be asked."""

    def asked(*_: Any) -> None:
        raise AssertionError("adaptive pooling")

    monkeypatch.setattr(pooling, "WITHOUT_ADAPTIVE_POOLING", {"cpu"})
    monkeypatch.setattr(F, "adaptive_max_pool2d", asked)
    monkeypatch.setattr(F, "adaptive_avg_pool2d", asked)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("factor", [1.25, 1.5, 2.5, 3.7, 1000.5])
@pytest.mark.parametrize("grid", [(7, 5), (16, 12), (1, 13)])
@pytest.mark.parametrize("method", ["max", "average"])
def test_the_same_tokens(
    method: str,
    grid: tuple[int, int],
    factor: float,
    dtype: torch.dtype,
    request: pytest.FixtureRequest,
) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(2, grid[0] * grid[1], 3, generator=generator).to(dtype)
    expected = pool_tokens(tokens.float(), grid, factor, method).to(dtype)
    request.getfixturevalue("cpu_is_one")
    got = pool_tokens(tokens, grid, factor, method)
    assert got.dtype is dtype
    tolerance = {"rtol": 0, "atol": 0} if method == "max" else {}
    torch.testing.assert_close(got, expected, **tolerance)


@pytest.mark.parametrize("method", ["max", "average"])
def test_gradients_and_a_factor_that_is_whole_are_as_ever(method: str, cpu_is_one: None) -> None:
    tokens = torch.randn(1, 35, 2, requires_grad=True)
    pool_tokens(tokens, (7, 5), 1.5, method).sum().backward()
    assert tokens.grad is not None
    assert pool_tokens(tokens, (7, 5), 2, method).shape == (1, 12, 2)
