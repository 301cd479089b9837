"""Values and links: what is wrong is refused once, before anything runs or by the node itself."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_host import ComfyHost, HostError
from graphs import Graph, Step, text2image
from lattice import counts

BALANCED: Step = ("ToDo", {"preset": "balanced"})
SETTINGS = "chain-0-settings"
BAD: list[tuple[dict[str, Any], str]] = [
    ({"factor": 9}, "factor = 9 is not allowed; factor must be 0 (automatic) or a number from"),
    ({"factor": 0.5}, "factor = 0.5 is not allowed"),
    ({"factor": "many"}, "factor = 'many' is not allowed"),
    ({"deep_factor": float("nan")}, "deep_factor = nan is not allowed"),
    ({"threshold": 0}, "threshold = 0 is not allowed; threshold must be a whole number from 1"),
    ({"threshold": 600}, "threshold = 600 is not allowed"),
    *[({"scale": bad}, f"scale = {bad} is not allowed") for bad in (0.0, 0.05, -0.5)],
    ({"scale": float("nan")}, "scale = nan is not allowed"),
    *[({"deep_scale": bad}, f"deep_scale = {bad} is not allowed") for bad in (0.05, -0.5)],
    ({"deep_scale": float("nan")}, "deep_scale = nan is not allowed"),
    ({"method": "median"}, "method = 'median' is not allowed; method must be one of nearest"),
    ({"phase": "still"}, "phase = 'still' is not allowed; phase must be one of"),
    ({"above": 0}, "above = 0.0 is not allowed; above must be a number from"),
    ({"start": 0.9, "end": 0.1}, "start = 0.9 is not allowed; start must be no greater than end"),
    ({"end": float("nan")}, "end = nan is not allowed; end must be a number from 0 to 1"),
    ({"preset": "quick"}, "preset = 'quick' is not allowed; preset must be one of"),
]
# an input, the primitive that is linked to it, a value that is allowed, one that is not
LINKS: list[tuple[str, str, Any, Any]] = [
    ("factor", "PrimitiveFloat", 3.0, 0.5),
    ("factor", "PrimitiveInt", 3, 9),
    ("factor", "PrimitiveString", "automatic", "many"),
    ("deep_factor", "PrimitiveFloat", 1.0, 9.0),
    ("threshold", "PrimitiveInt", 16, 0),
    ("scale", "PrimitiveFloat", 2.0, 0.05),
    ("deep_scale", "PrimitiveFloat", 0.0, -0.5),
    ("method", "PrimitiveString", "nearest-exact", "median"),
    ("phase", "PrimitiveString", "fixed", "still"),
    ("start", "PrimitiveFloat", 0.25, 1.5),
    ("end", "PrimitiveFloat", 0.75, -1.0),
    ("above", "PrimitiveFloat", 0.5, 0.05),
    ("preset", "PrimitiveString", "fast", "quick"),
]


@pytest.mark.parametrize(("inputs", "text"), BAD, ids=[str(inputs) for inputs, _ in BAD])
def test_a_bad_value_is_refused_once_before_anything_runs(
    comfyui: ComfyHost, inputs: dict[str, Any], text: str
) -> None:
    answer = comfyui.queue(text2image(("ToDo", inputs)))
    assert answer.status_code == 400
    (node,) = answer.json()["node_errors"].values()
    (error,) = node["errors"]
    assert text in error["details"]
    assert not comfyui.record()["calls"]


def linked(name: str, primitive: str, value: Any) -> Graph:
    """A graph where an input's value comes from a primitive, the others being such that it runs."""
    if name == "preset":
        graph = text2image(BALANCED, width=128, height=128)
        node = "chain-0"
    else:
        graph = text2image(("ToDo", {"threshold": 16}), width=256, height=128)
        node = SETTINGS
    graph["value"] = {"class_type": primitive, "inputs": {"value": value}}
    graph[node]["inputs"][name] = ["value", 0]
    return graph


@pytest.mark.parametrize(("name", "primitive", "good", "bad"), LINKS)
def test_every_input_takes_a_link(
    comfyui: ComfyHost, name: str, primitive: str, good: Any, bad: Any
) -> None:
    comfyui.run(linked(name, primitive, good))
    with pytest.raises(HostError, match=f"ToDo: {name} = .* is not allowed; {name} must be"):
        comfyui.run(linked(name, primitive, bad))


@pytest.mark.parametrize("method", ["average", "max", "bilinear"])
def test_a_method_without_a_phase_takes_the_default_one(comfyui: ComfyHost, method: str) -> None:
    comfyui.run(text2image(("ToDo", {"threshold": 16, "method": method, "phase": "moving"})))
    assert (32 * 32, 16 * 16) in counts(comfyui.record())


def test_what_is_linked_is_used(comfyui: ComfyHost) -> None:
    comfyui.run(linked("factor", "PrimitiveFloat", 4.0))
    assert (32 * 16, 8 * 4) in counts(comfyui.record())


def test_a_pair_is_checked_when_run_where_one_is_linked(comfyui: ComfyHost) -> None:
    graph = linked("start", "PrimitiveFloat", 0.9)
    graph[SETTINGS]["inputs"]["end"] = 0.1
    with pytest.raises(HostError, match=r"start must be no greater than end \(0\.1\)"):
        comfyui.run(graph)
