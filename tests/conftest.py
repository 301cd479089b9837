"""What tests share: a torch thread, a seed, Hypothesis' profiles, a U-Net, graphs made anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

# a busy machine is no failure: no deadline, and no check of how long examples take to make
patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
# the same examples at every run; `pytest --hypothesis-profile=search` looks for new ones
settings.register_profile("repeatable", **patient, derandomize=True, max_examples=60)
settings.register_profile("search", **patient, max_examples=1000)
settings.load_profile("repeatable")

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def unet() -> Any:
    """diffusers' small one, which a file's tests share: each leaves it as it was."""
    from diffusers_models import unet

    return unet()


@pytest.fixture
def fresh_graphs() -> Iterator[None]:
    """No graph of an earlier test is found, and none is left; without gradients."""
    torch._dynamo.reset()
    with torch.inference_mode():
        yield
    torch._dynamo.reset()
