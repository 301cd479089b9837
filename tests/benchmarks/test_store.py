"""The file of results: what it keeps, what it refuses to mix, and its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.models.hires import Checkpoint
from benchmarks.parts import overhead
from benchmarks.running.store import OtherConditionsError, Store
from benchmarks.running.timing import Spread


def test_results_survive_and_machines_are_not_mixed(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.json")
    store.set_machine({"processor": "one"})
    store.seconds("unet", "diffusers", "SD 1.x", "512", "dense")["1"] = 1.5
    store.save()
    again = Store(store.path)
    again.set_machine({"processor": "one"})
    assert again.seconds("unet", "diffusers", "SD 1.x", "512", "dense") == {"1": 1.5}
    assert again.under("unet", "diffusers") == {("SD 1.x", "512", "dense"): {"seconds": {"1": 1.5}}}
    with pytest.raises(OtherConditionsError, match="with processor one, not two; name another"):
        again.set_machine({"processor": "two"})


def test_a_part_is_not_measured_under_two_conditions(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.json")
    store.set_conditions("unet", threshold=64, batch=1)
    store.set_conditions("unet", threshold=32, batch=1)
    store.seconds("unet", "diffusers", "SD 1.x", "512", "dense")["1"] = 1.5
    store.set_conditions("layer", threshold=64)
    with pytest.raises(OtherConditionsError, match="unet was measured with threshold 32, not 64"):
        store.set_conditions("unet", threshold=64, batch=1)
    assert store.conditions("unet") == {"threshold": 32, "batch": 1}


def test_a_note_goes_when_its_point_is_measured(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.json")
    older, tome = "ldm | SD 1.x | older extension", "ldm | SD 1.x | ToMe 0.5"
    for name in (older, tome, "quality", "generation | WebUI"):
        store.note(name, "why")
    store.seconds("unet", "ldm", "SD 1.x", "512", "ToMe 0.5")
    assert list(store.left_out()) == [older, tome, "quality", "generation | WebUI"]
    store.seconds("unet", "ldm", "SD 1.x", "512", "older extension")["1"] = 1.0
    store.point("quality", "256", "ToMe 0.5")["psnr"] = [40.0]
    assert store.left_out() == {tome: "why", "generation | WebUI": "why"}


def test_groups_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.json")
    for heads, side in [
        ("8 heads of 160", "64"),
        ("8 heads of 40", "128"),
        ("8 heads of 40", "96"),
    ]:
        store.seconds("layer", heads, "flash", side, "dense")["1"] = 1.0
    assert list(store.groups("layer")) == [
        ("8 heads of 40", "flash", "96"),
        ("8 heads of 40", "flash", "128"),
        ("8 heads of 160", "flash", "64"),
    ]


def test_overhead_is_of_the_rounds_that_both_have(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.json")
    assert overhead.added(store) is None
    store.point("overhead", "plain")["seconds"] = {"1": 1.0, "2": 1.0}
    store.point("overhead", "intercepted")["seconds"] = {"2": 1.0 + 2 * overhead.ATTENTIONS}
    assert overhead.added(store) == Spread(2.0, 2.0, 2.0, 1)


def test_a_checkpoint_is_told_by_its_weights(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").write_bytes(b"weights")
    conditions = Checkpoint(tmp_path, 128).conditions()
    (tmp_path / "unet" / "config.json").write_text("{}")
    assert Checkpoint(tmp_path, 128).conditions() == conditions
    (tmp_path / "unet" / "model.safetensors").write_bytes(b"others")
    assert Checkpoint(tmp_path, 128).conditions() != conditions
    assert Checkpoint(tmp_path, 64).conditions()["native"] == 64
