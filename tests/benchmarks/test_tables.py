"""The tables, pages and plots, and the predictions beside what was measured."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="needs requirements/bench.txt")

from benchmarks.output import pages, plots
from benchmarks.output.tables import all_tables, predicted
from benchmarks.running.store import Store

MEASUREMENTS = pages.DOCS / "measurements"


def _errors(store: Store, errors: dict[str, float]) -> None:
    """Of two seeds at twice the size of a model of 128 pixels."""
    store.set_conditions("quality", native=128)
    for method, error in errors.items():
        point = store.point("quality", "256", method)
        point |= {"latent_mse": [error / 2, error * 3 / 2]}
        point |= {"psnr": [40.0, 41.0], "high_frequency": [1.0, 1.0]}


def test_an_error_beside_the_papers_is_that_of_the_means(store: Store) -> None:
    """Not the mean of the seeds' ratios, which a seed with next to no error would rule."""
    _errors(store, {"ToDo paper": 1, "ToMe 0.5": 2})
    store.point("quality", "256", "ToMe 0.5")["latent_mse"].reverse()
    for method, errors in {"ToDo paper": [1.0, 3.0], "ToDo close": [0.5, 0.5]}.items():
        store.point("samplers", "256", "Euler", method)["latent_mse"] = errors
    tables = all_tables(store)
    assert tables["quality"].endswith("| 2.00 (0.67 to 6.00) |")
    assert tables["samplers"].endswith("| 0.25 (0.17 to 0.50) |")


def test_error_beside_speed(store: Store) -> None:
    """Of the seeds that all have; a moving phase takes as long as the same factor without."""
    _errors(store, {"ToDo paper": 2, "ToDo moving 2": 1, "ToDo moving 3": 3, "ToMe 0.75": 5})
    store.point("quality", "256", "ToDo paper")["latent_mse"].append(99.0)
    # not timed
    _errors(store, {"ToMe 0.5": 4})
    seconds = {"dense": 12.0, "ToDo paper": 6.0, "ToDo factor 3": 4.0, "ToMe 0.75": 8.0}
    for method, each in seconds.items():
        store.seconds("unet", "diffusers", "SD 1.x", "1024", method)["1"] = each
    trade = plots.trade_off(store, 2)
    moving = {"ToDo moving 2": (1, 2), "ToDo moving 3": (3, 3)}
    assert trade == {"ToDo paper": (2, 2), **moving, "ToMe 0.75": (5, 1.5)}
    assert list(plots.curves(trade).values()) == [["ToDo paper"], list(moving)]


def test_a_page_shows_the_numbers_of_its_file(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(
        "a\n<!-- table: passes -->\nold\n<!-- end -->\n![](speed-error.png)\n"
        "<!-- table: notes -->\n<!-- end -->"
    )
    _errors(store, {"ToDo paper": 2, "ToMe 0.75": 5})
    for method, part in itertools.product(("dense", "ToDo paper"), ("unet", "pass")):
        key = ("diffusers", "SD 1.x", "1024") if part == "unet" else ("SD 1.x", "1024")
        times = {"1": 8, "2": 9} if method == "dense" else {"1": 2, "2": 3}
        store.seconds(part, *key, method).update(times)
    store.save()
    for _ in range(2):
        pages.renew(page, tmp_path)
    text = page.read_text()
    assert text.startswith("a\n<!-- table: passes -->\n| U-Net |")
    row = (
        "| SD 1.x | 1024² | ToDo paper | 2.500 (2.000 to 3.000, 2 runs) | 3.500 (3.000 to 4.000) |"
    )
    assert text.count(row) == 1
    assert text.endswith("<!-- table: notes -->\n(not measured)\n<!-- end -->")
    assert [path.name for path in tmp_path.glob("*.png")] == ["speed-error.png"]


def test_what_is_predicted_was_measured() -> None:
    """By the cost model with a machine's own rates, on the two CPUs of the docs."""
    files = [MEASUREMENTS / f"{name}.json" for name in ("cpu", "cpu-avx512")]
    found = [row for file in files for row in predicted(Store(file))]
    assert {row[0].split(",")[0] for row in found} >= {"SD 1.x", "SDXL"}
    assert {int(row[1]) for row in found} >= {512, 768, 1024, 1536, 2048}
    for unet, size, preset, promised, measured in found:
        assert promised == pytest.approx(measured, rel=0.1), (unet, size, preset)
