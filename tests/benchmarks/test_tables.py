"""The tables and plots, the predictions beside what was measured, and error beside speed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="needs requirements/bench.txt")

from benchmarks.output import plots, trade_off
from benchmarks.output.tables import all_tables, predicted, renew
from benchmarks.parts.quality import SAMPLINGS
from benchmarks.running.store import Store


def test_tables_are_renewed_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n<!-- table: calls -->\nold\n<!-- end -->\nb\n<!-- table: x -->\n<!-- end -->"
    )
    renew(page, {"calls": "| new |"})
    renew(page, {"calls": "| new |"})
    assert page.read_text() == (
        "a\n<!-- table: calls -->\n| new |\n<!-- end -->\nb\n"
        "<!-- table: x -->\n(not measured)\n<!-- end -->"
    )


def _errors(store: Store, errors: dict[str, float]) -> None:
    """Of two seeds at twice the size of a model of 128 pixels."""
    store.set_conditions("quality", native=128)
    for method, error in errors.items():
        point = store.point("quality", "256", method)
        point |= {"latent_mse": [error / 2, error * 3 / 2]}
        point |= {"psnr": [40.0, 41.0], "high_frequency": [1.0, 1.0]}


def test_an_error_beside_nearests_is_that_of_the_means(tmp_path: Path) -> None:
    """Not the mean of the seeds' ratios, which a seed with next to no error would rule."""
    store = Store(tmp_path / "results.json")
    _errors(store, {"ToDo nearest": 1, "ToMe 0.5": 2})
    store.point("quality", "256", "ToMe 0.5")["latent_mse"].reverse()
    row = all_tables(store)["quality"].splitlines()[-1]
    assert row.endswith("| 2.00 (0.67 to 6.00) |")


def test_a_ratio_of_separate_rounds_is_told(store: Store) -> None:
    for method, seconds in {"ToDo paper": {"1": 1.0}, "HyperTile": {"2": 2.0}}.items():
        store.point("unet", "diffusers", "SD 1.x", "768", method)["seconds"] = seconds
    assert all_tables(store)["calls"].endswith("|  | 2.000 (in rounds of its own) |")


def test_errors_are_of_the_seeds_that_all_have(store: Store) -> None:
    assert trade_off.enlargements(store) == []
    _errors(store, {"ToDo nearest": 2, "ToMe 0.5": 4})
    store.point("quality", "256", "ToDo nearest")["latent_mse"].append(99.0)
    assert trade_off.enlargements(store) == [2]
    assert trade_off.errors(store, 2) == {"ToDo paper": 2, "ToMe 0.5": 4}
    assert trade_off.errors(store, 3) == {}


def test_samplers_are_beside_the_paper_with_the_same_one(store: Store) -> None:
    name = next(iter(SAMPLINGS))
    for method, errors in {"ToDo nearest": [1.0, 3.0], "ToDo close": [0.5, 0.5]}.items():
        store.point("samplers", "256", name, method)["latent_mse"] = errors
    row = all_tables(store)["samplers"].splitlines()[-1]
    assert row.startswith(f"| 256² | {name} | 2 | 2.00000 ")
    assert "| 0.25 (0.17 to 0.50) |" in row


def test_a_pass_is_held_against_dense_round_by_round(store: Store) -> None:
    store.seconds("pass", "SDXL", "1024", "dense").update({"1": 8, "2": 9})
    store.seconds("pass", "SDXL", "1024", "ToDo fast").update({"1": 4, "2": 3})
    assert all_tables(store)["passes"].splitlines()[2:] == [
        "| SDXL | 1024² | dense | 8.500 (8.000 to 9.000, 2 runs) | 1.000 (1.000 to 1.000) |",
        "| SDXL | 1024² | ToDo fast | 3.500 (3.000 to 4.000, 2 runs) | 2.500 (2.000 to 3.000) |",
    ]


def test_error_beside_speed_and_the_plots_of_it(store: Store, tmp_path: Path) -> None:
    """A moving phase takes as long as the same factor without."""
    _errors(store, {"ToDo nearest": 2, "ToDo moving 2": 1, "ToDo moving 3": 3, "ToMe 0.75": 5})
    seconds = {"dense": 12.0, "ToDo paper": 6.0, "ToDo factor 3": 4.0, "ToMe 0.75": 8.0}
    for size, method in itertools.product(("1024", "1536"), seconds):
        point = store.point("unet", "diffusers", "SD 1.x", size, method)
        point |= {"seconds": {"1": seconds[method]}, "peak_bytes": 2**20}
        layers = store.point("layer", "a layer", "flash", size, method.replace("paper", "nearest"))
        layers["seconds"] = {"1": seconds[method]}
    trade = trade_off.both(store, 2)
    assert trade == {
        "ToDo paper": (2, 2),
        "ToDo moving 2": (1, 2),
        "ToDo moving 3": (3, 3),
        "ToMe 0.75": (5, 1.5),
    }
    assert list(trade_off.curves(trade).values()) == [
        ["ToDo paper"],
        ["ToDo moving 2", "ToDo moving 3"],
    ]
    drawn = {path.name for path in plots.draw(store, tmp_path)}
    assert drawn == {
        "speed-sd-1x-diffusers.png",
        "memory-sd-1x-diffusers.png",
        "speed-layers.png",
        "speed-error.png",
    }


def test_what_is_predicted_was_measured() -> None:
    """By the cost model with a machine's own rates, on the two CPUs of the docs."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    found = [
        row
        for name in ("performance", "performance-avx512")
        for row in predicted(Store(docs / f"{name}.json"))
    ]
    assert {row[0].split(",")[0] for row in found} >= {"SD 1.x", "SDXL"}
    assert {int(row[1]) for row in found} >= {512, 768, 1024, 1536, 2048}
    for unet, size, preset, promised, measured in found:
        assert promised == pytest.approx(measured, rel=0.1), (unet, size, preset)
