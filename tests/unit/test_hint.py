"""The live hint (javascript/todo.js, run by node) against the same cases as the Python rule."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lib_todo import Settings
from lib_todo.cost.attention import ARCHITECTURES, layer_costs, work_left

HERE = Path(__file__).resolve().parent
CASES = json.loads((HERE.parent / "plan_cases.json").read_text())
TABLE = {
    name: [dataclasses.asdict(level) for level in levels] for name, levels in ARCHITECTURES.items()
}
SIZES = [(512, 512), (768, 512), (1024, 1024), (520, 328), (1000, 200), (1536, 2048), (2048, 2048)]
OFF = {"enabled": False}

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(*calls: tuple[Any, ...]) -> list[Any]:
    """What todo.js's functions return for the calls, each (name, *arguments)."""
    done = subprocess.run(
        ["node", str(HERE / "run_hint.js")],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def settings_of(case: dict[str, Any]) -> dict[str, Any]:
    return {**dataclasses.asdict(Settings()), **case["settings"]}


def state(width: int, height: int, hires: dict[str, Any] = OFF, **settings: Any) -> dict[str, Any]:
    """A tab's state, as the script reads it from the page."""
    known = dataclasses.asdict(Settings(**settings))
    return {"width": width, "height": height, "hires": hires, "settings": known}


def test_same_factors_and_grids_as_the_table() -> None:
    flat = [
        (max(case["expected"], key=lambda e: e["grid"][0] * e["grid"][1])["grid"], expected, case)
        for case in CASES
        for expected in case["expected"]
    ]
    factors = run(*[("layerFactor", e["grid"], top, settings_of(case)) for top, e, case in flat])
    assert factors == [expected["factor"] for _, expected, _ in flat]
    pooled = run(*[("pooledGrid", e["grid"], e["factor"]) for _, e, _ in flat])
    assert pooled == [expected["pooled"] for _, expected, _ in flat]


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(factor=2.5, threshold=20, deep_factor=1)]
)
def test_same_costs_as_python(settings: Settings) -> None:
    known = dataclasses.asdict(settings)
    points = [(name, *size) for name in TABLE for size in SIZES]
    answers = run(*[("layerCosts", TABLE[name], w, h, known) for name, w, h in points])
    for (name, width, height), answer in zip(points, answers):
        costs = layer_costs(name, width, height, settings)
        assert [tuple(a["grid"]) for a in answer] == [cost.grid for cost in costs]
        assert [tuple(a["pooled"]) for a in answer] == [cost.pooled for cost in costs]
        assert [a["dense"] for a in answer] == [cost.dense_flops for cost in costs]
        assert [a["left"] for a in answer] == [cost.pooled_flops for cost in costs]


def test_hires_size_is_the_hosts() -> None:
    scaled = {"enabled": True, "scale": 1.55, "x": 0, "y": 0}
    sizes = run(
        ("hiresSize", 512, 328, {"enabled": False}),
        ("hiresSize", 512, 328, scaled),
        ("hiresSize", 512, 328, {**scaled, "x": 1000}),
        ("hiresSize", 512, 328, {**scaled, "y": 1000}),
        ("hiresSize", 512, 328, {**scaled, "x": 1000, "y": 800}),
    )
    assert sizes == [None, [793, 508], [1000, 640], [1560, 1000], [1000, 800]]


def test_the_text_says_what_is_pooled_and_what_is_left() -> None:
    (lines,) = run(("hintLines", TABLE, state(1024, 768)))
    left = round(100 * work_left(layer_costs("SD 1.x, 2.x", 1024, 768, Settings())))
    assert lines == [
        "SD 1.x, 2.x at 1024×768: 128×96 → 64×48 tokens (by 2); "
        f"about {left}% of the self-attention work is left",
        "SDXL at 1024×768: nothing to pool, no layer has more than 64×64 tokens",
    ]


def test_the_text_follows_the_passes() -> None:
    hires = {"enabled": True, "scale": 2, "x": 0, "y": 0}
    both, first, only_hires, none, empty = run(
        ("hintLines", TABLE, state(512, 512, hires)),
        ("hintLines", TABLE, state(512, 512, hires, passes="first")),
        ("hintLines", TABLE, state(512, 512, hires, passes="hires")),
        ("hintLines", TABLE, state(512, 512, passes="hires")),
        ("hintLines", TABLE, state(1024, 1024, start=0.5, end=0.5)),
    )
    assert len(both) == 4
    assert (first, only_hires) == (both[:2], both[2:])
    assert none == ["Nothing is pooled: hires fix is off, and only its pass is chosen"]
    assert empty == ["Nothing is pooled: the start is the end"]


def test_a_factor_of_one_is_told_apart_from_the_threshold() -> None:
    (lines,) = run(("hintLines", TABLE, state(1024, 1024, factor=1)))
    assert lines[0] == "SD 1.x, 2.x at 1024×1024: nothing is pooled by a factor of 1"


def test_a_factor_that_will_be_refused_is_named_before() -> None:
    bad = state(1024, 1024)
    bad["settings"]["factor"] = 0.5
    assert run(("hintLines", TABLE, bad)) == [["A factor must be 0 (automatic) or at least 1"]]
    bad["settings"].update(factor=0, deep_factor=0.5)
    assert run(("hintLines", TABLE, bad)) == [["A factor must be 0 (automatic) or at least 1"]]


def test_a_start_after_the_end_is_named_before() -> None:
    bad = state(1024, 1024)
    bad["settings"].update(start=0.8, end=0.2)
    assert run(("hintLines", TABLE, bad)) == [["The start must be no greater than the end"]]


def test_so_little_above_the_threshold_that_the_automatic_factor_is_one() -> None:
    (lines,) = run(("hintLines", TABLE, state(1024, 1032)))
    assert lines[1] == (
        "SDXL at 1024×1032: nothing to pool, no layer has many more than 64×64 tokens"
    )
