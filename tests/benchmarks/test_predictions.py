"""The cost model with a machine's own rates, beside what that machine took."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rich", reason="needs requirements/bench.txt")

from benchmarks.output.tables import predicted
from benchmarks.running.store import Store

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOUND = [
    row
    for name in ("performance", "performance-avx512")
    for row in predicted(Store(DOCS / f"{name}.json"))
]


def test_both_shapes_and_several_sizes_were_measured() -> None:
    assert {row[0].split(",")[0] for row in FOUND} >= {"SD 1.x", "SDXL"}
    assert {int(row[1]) for row in FOUND} >= {512, 768, 1024, 1536, 2048}


@pytest.mark.parametrize(("unet", "size", "promised", "measured"), FOUND)
def test_the_promise_is_kept(unet: str, size: str, promised: float, measured: float) -> None:
    assert promised == pytest.approx(measured, rel=0.1)
