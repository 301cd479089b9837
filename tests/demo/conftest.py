"""A tiny random pipeline for the demo's tests, as a folder and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with random weights; its own grid has 8×8 tokens."""
    import diffusers_models

    folder = tmp_path_factory.mktemp("demo")
    diffusers_models.sd_pipeline(folder / "parts").save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="session")
def sampler(tiny_model: Path) -> Any:
    """The demo's sampler over that model."""
    import torch

    from comparison.loading import Source, load
    from comparison.sampling import Sampler

    return Sampler(load(Source(str(tiny_model)), "cpu", torch.float32))
