"""Fixtures of the tests of compiled models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def fresh_graphs() -> Iterator[None]:
    """No graph of an earlier test is found, and none is left; without gradients."""
    torch._dynamo.reset()
    with torch.inference_mode():
        yield
    torch._dynamo.reset()
