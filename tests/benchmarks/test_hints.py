"""The speed-up in the WebUI's hint is close to the measured one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rich", reason="needs requirements/bench.txt")

from benchmarks.output import hints
from benchmarks.running.store import Store

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "performance.json"
FOUND = list(hints.rows(Store(RESULTS)))


def test_both_shapes_and_several_sizes_were_measured() -> None:
    assert {row[0] for row in FOUND} >= {"SD 1.x", "SDXL"}
    assert {row[1] for row in FOUND} >= {512, 768, 1024, 1536, 2048}


@pytest.mark.parametrize(
    ("unet", "size", "method", "promised", "measured"),
    FOUND,
    ids=[" ".join(map(str, row[:3])) for row in FOUND],
)
def test_the_promise_is_kept(
    unet: str, size: int, method: str, promised: float, measured: float
) -> None:
    assert abs(promised / measured - 1) <= hints.WITHIN
