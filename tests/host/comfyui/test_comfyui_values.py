"""Values and links: what is wrong is refused once, before anything runs or by the node itself."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_host import ComfyHost, HostError
from graphs import Graph, text2image
from lattice import counts

SETTINGS = "chain-0-settings"
BAD: list[tuple[dict[str, Any], str]] = [
    ({"factor": "many"}, "factor = 'many' is not allowed; factor must be 0 (automatic) or"),
    ({"threshold": 600}, "threshold = 600 is not allowed"),
    ({"scale": 0.05}, "scale = 0.05 is not allowed"),
    ({"deep_scale": float("nan")}, "deep_scale = nan is not allowed"),
    ({"method": "median"}, "method = 'median' is not allowed; method must be one of nearest"),
    ({"start": 0.9, "end": 0.1}, "start = 0.9 is not allowed; start must be no greater than end"),
    ({"preset": "quick"}, "preset = 'quick' is not allowed; preset must be one of"),
]
# an input, the primitive that is linked to it, a value that is allowed, one that is not
LINKS: list[tuple[str, str, Any, Any]] = [
    ("factor", "PrimitiveFloat", 4.0, 0.5),
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
    given = {"preset": "balanced"} if name == "preset" else {"threshold": 16}
    graph = text2image(("ToDo", given), width=256, height=128)
    graph["value"] = {"class_type": primitive, "inputs": {"value": value}}
    graph["chain-0" if name == "preset" else SETTINGS]["inputs"][name] = ["value", 0]
    return graph


@pytest.mark.parametrize(("name", "primitive", "good", "bad"), LINKS)
def test_every_input_takes_a_link(
    comfyui: ComfyHost, name: str, primitive: str, good: Any, bad: Any
) -> None:
    comfyui.run(linked(name, primitive, good))
    assert good != 4.0 or (32 * 16, 8 * 4) in counts(comfyui.record()), "it is used"
    with pytest.raises(HostError, match=f"ToDo: {name} = .* is not allowed; {name} must be"):
        comfyui.run(linked(name, primitive, bad))


def test_a_pair_is_checked_when_run_where_one_is_linked(comfyui: ComfyHost) -> None:
    graph = linked("start", "PrimitiveFloat", 0.9)
    graph[SETTINGS]["inputs"]["end"] = 0.1
    with pytest.raises(HostError, match=r"start must be no greater than end \(0\.1\)"):
        comfyui.run(graph)
