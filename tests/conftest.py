"""What every test shares: one torch thread, a fixed seed, and Hypothesis' profiles."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

# the same examples at every run; `pytest --hypothesis-profile=search` looks for new ones
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("repeatable")

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
