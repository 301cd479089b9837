"""What the benchmark's tests share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """No results yet."""
    from benchmarks.running.store import Store

    return Store(tmp_path / "results.json")


@pytest.fixture
def bench(store: Any) -> Any:
    """For two rounds of what is shorter than a minute."""
    from rich.progress import Progress

    from benchmarks.running.bench import Bench

    deadline = time.monotonic() + 600
    cpu = torch.device("cpu")
    return Bench(store, cpu, torch.float32, "wall", 2, deadline, Progress(disable=True))
