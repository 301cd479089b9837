"""The benchmark's attention backends: what is forced, what fits, what is predicted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.progress import Progress

from benchmarks.models import attention_backends, unets
from benchmarks.models.attention_backends import AUTOMATIC, MATH
from benchmarks.output.tables import all_tables
from benchmarks.parts import calibration, calls
from benchmarks.peers.methods import Folders
from benchmarks.peers.names import DENSE, DIFFUSERS, LDM, TODO, attention_of, implementation
from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from benchmarks.running.timing import peak_bytes
from lib_todo import Settings
from lib_todo.cost.unet import KINDS

CPU = torch.device("cpu")


def test_math_writes_out_the_matrix_and_the_others_do_not() -> None:
    tokens = torch.randn(1, 1, 512, 64)
    matrix = 4 * 512**2
    dense = F.scaled_dot_product_attention(tokens, tokens, tokens)
    for name in attention_backends.for_whole_models(CPU, torch.float32):
        with attention_backends.using(name):
            peak = peak_bytes(lambda: F.scaled_dot_product_attention(tokens, tokens, tokens), CPU)
            torch.testing.assert_close(
                F.scaled_dot_product_attention(tokens, tokens, tokens), dense
            )
        assert (peak >= matrix) == (name == MATH)


def test_no_implementation_is_measured_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fused one that is alone is what PyTorch chooses."""
    for usable, wanted in {
        ("flash", MATH): [AUTOMATIC, MATH],
        (MATH,): [AUTOMATIC, MATH],
        ("flash", "efficient", MATH): [AUTOMATIC, "flash", "efficient", MATH],
    }.items():
        monkeypatch.setattr(attention_backends, "usable", lambda *_, usable=usable: list(usable))
        assert attention_backends.for_whole_models(CPU, torch.float32) == wanted


def test_only_a_matrix_that_is_written_out_must_fit() -> None:
    assert attention_backends.fits(MATH, 1, CPU)
    assert not attention_backends.fits(MATH, 10**15, CPU)
    assert attention_backends.fits("flash", 10**15, CPU)


@pytest.mark.parametrize("kind", [DIFFUSERS, LDM])
@pytest.mark.parametrize("attention", attention_backends.NAMES)
def test_a_key_tells_the_attention(kind: str, attention: str) -> None:
    assert attention_of(implementation(kind, attention)) == attention
    assert (implementation(kind, attention) == kind) == (attention == AUTOMATIC)


@pytest.mark.parametrize("name", list(unets.CONFIGS))
def test_heads_are_those_of_the_real_module(name: str) -> None:
    model = unets.build_diffusers(name, torch.device("meta"))
    layers = [part for path, part in model.named_modules() if path.endswith("attn1")]
    assert unets.heads_of_largest_grid(name) == layers[0].heads
    widths = unets.head_widths(name)
    for layer in layers:
        assert widths[layer.to_q.in_features] == layer.to_q.out_features // layer.heads


def test_a_call_by_each_attention_is_a_point_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sizes; what is written out fits at the smaller one only."""
    limit = 8 * 16**4
    monkeypatch.setattr(
        attention_backends, "fits", lambda name, numbers, _: name != MATH or numbers <= limit
    )
    store = Store(tmp_path / "results.json")
    deadline = time.monotonic() + 600
    bench = Bench(store, CPU, torch.float32, "wall", 1, deadline, Progress(disable=True))
    wanted = calls.Wanted(
        kinds=[DIFFUSERS],
        architectures=["narrow"],
        sizes=[128, 192],
        methods=[DENSE, TODO],
        attentions=None,
        batch=1,
        settings=Settings(threshold=8),
        folders=Folders(),
        timed=True,
        memory=True,
    )
    with torch.inference_mode():
        calls.measure(bench, wanted)
    groups = store.groups("unet")
    written_out = implementation(DIFFUSERS, MATH)
    assert set(groups) == {
        (DIFFUSERS, "narrow", "128"),
        (DIFFUSERS, "narrow", "192"),
        (written_out, "narrow", "128"),
    }
    assert all(set(group) == {DENSE, TODO} for group in groups.values())
    peaks = {
        name: point["peak_bytes"] for name, point in groups[written_out, "narrow", "128"].items()
    }
    assert peaks[TODO] < peaks[DENSE]
    assert store.left_out()[f"unet | {written_out} | narrow | 192"] == attention_backends.TOO_LARGE


def test_a_prediction_is_by_the_rate_of_its_attention(tmp_path: Path) -> None:
    """Of the same calls; one of an attention that was not calibrated is not predicted."""
    store = Store(tmp_path / "results.json")
    store.data["machine"]["precision"] = "float32"
    store.set_conditions("unet", batch=1, threshold=64)
    for name in (implementation(DIFFUSERS, AUTOMATIC), implementation(DIFFUSERS, MATH)):
        for method, seconds in {DENSE: 2.0, TODO: 1.0}.items():
            store.point("unet", name, "SD 1.x", "1024", method)["seconds"] = {"1": seconds}
    _calibrate(store, AUTOMATIC, attention_seconds=1.0)
    (only,) = all_tables(store)["predictions"].splitlines()[2:]
    assert only.startswith("| SD 1.x, diffusers | 1024² |")
    _calibrate(store, MATH, attention_seconds=100.0)
    rows = all_tables(store)["predictions"].splitlines()[2:]
    fused, written_out = (float(row.split("|")[3]) for row in rows)
    assert rows[0] == only
    assert written_out > fused


def _calibrate(store: Store, attention: str, attention_seconds: float) -> None:
    widths = {calibration.attention_workload(width, attention) for width in (40, 80, 160)}
    for name in {*KINDS, *widths}:
        seconds = attention_seconds if name in widths else 1.0
        store.data["points"][f"calibration | {name}"] = {"work": 1e9, "seconds": {"1": seconds}}
