"""The nodes as ComfyUI shows them, what they say, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_host import ComfyHost, Graph, HostError
from graphs import TODO, hires, text2image
from lattice import counts

NAMES = ("ToDo", "ToDoSettings")
BAD: list[tuple[dict[str, Any], str]] = [
    ({"factor": "many"}, "factor = 'many' is not allowed; factor must be 0 (automatic) or"),
    ({"deep_scale": float("nan")}, "deep_scale = nan is not allowed"),
    ({"start": 0.9, "end": 0.1}, "start = 0.9 is not allowed; start must be no greater than end"),
    ({"preset": "quick"}, "preset = 'quick' is not allowed; preset must be one of"),
]
# an input, the primitive that is linked to it, a value that is allowed, one that is not
LINKS: list[tuple[str, str, Any, Any]] = [
    ("factor", "PrimitiveFloat", 4.0, 0.5),
    ("factor", "PrimitiveString", "automatic", "many"),
    ("threshold", "PrimitiveInt", 16, 0),
    ("deep_scale", "PrimitiveFloat", 0.0, -0.5),
    ("method", "PrimitiveString", "nearest-exact", "median"),
    ("end", "PrimitiveFloat", 0.75, -1.0),
    ("preset", "PrimitiveString", "fast", "quick"),
]


def inputs_of(node: dict) -> dict[str, tuple]:
    return {**node["input"].get("required", {}), **node["input"].get("optional", {})}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_described_and_its_help_page_names_every_input(comfyui: ComfyHost, name: str) -> None:
    node = comfyui.get("object_info").json()[name]
    assert node["category"] == "model/patch/unet"
    assert node["description"] and node["search_aliases"]
    page = comfyui.get(f"extensions/sd-webui-todo/docs/{name}.md")
    assert page.ok and page.text.startswith("# ToDo")
    for given, (_, options) in inputs_of(node).items():
        assert options.get("tooltip"), f"{given} has no tooltip"
        assert options.get("min", 0) >= 0, "no number has a hidden meaning"
        assert given == "model" or f"| {options['display_name']} |" in page.text


def test_a_line_for_each_sampling_that_names_the_papers_factors(comfyui: ComfyHost) -> None:
    first, second = comfyui.said(hires(TODO))
    assert "(128×128): nothing was pooled: no layer is above the threshold" in first
    assert "(256×256): 1024 → 256 keys in 3 of 10 self-attention layers" in second
    # by the preset's factors in most steps, by the paper's in the first ones
    *_, said = comfyui.said(hires(("ToDo", {"threshold": 16}), scale=3.0))
    assert "times as fast, by the paper's factors" in said


def test_a_model_of_another_kind_passes_through_and_it_says_so(comfyui: ComfyHost) -> None:
    graph = {
        "model": {"class_type": "ZImageModel", "inputs": {}},
        "todo": {"class_type": "ToDo", "inputs": {"model": ["model", 0]}},
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["todo", 0]}},
    }
    (said,) = comfyui.said(graph)
    assert "nothing was pooled: this model has no layers that ToDo can pool" in said


@pytest.mark.parametrize(("inputs", "text"), BAD, ids=str)
def test_a_bad_value_is_refused_once_before_anything_runs(
    comfyui: ComfyHost, inputs: dict[str, Any], text: str
) -> None:
    answer = comfyui.queue(text2image(("ToDo", inputs)))
    assert answer.status_code == 400
    (node,) = answer.json()["node_errors"].values()
    (error,) = node["errors"]
    assert text in error["details"]
    assert not comfyui.record()["calls"]


def linked(name: str, primitive: str, value: Any, **more: float) -> Graph:
    """A graph where an input's value comes from a primitive, the others being such that it runs."""
    given = {"preset": "balanced"} if name == "preset" else {"threshold": 16, **more}
    graph = text2image(("ToDo", given), width=256, height=128)
    graph["value"] = {"class_type": primitive, "inputs": {"value": value}}
    node = "chain-0" if name == "preset" else "chain-0-settings"
    graph[node]["inputs"][name] = ["value", 0]
    return graph


@pytest.mark.parametrize(("name", "primitive", "good", "bad"), LINKS)
def test_each_kind_of_input_takes_a_link(
    comfyui: ComfyHost, name: str, primitive: str, good: Any, bad: Any
) -> None:
    comfyui.run(linked(name, primitive, good))
    assert good != 4.0 or (32 * 16, 8 * 4) in counts(comfyui.record()), "it is used"
    with pytest.raises(HostError, match=f"ToDo: {name} = .* is not allowed; {name} must be"):
        comfyui.run(linked(name, primitive, bad))


def test_a_pair_is_checked_when_run_where_one_is_linked(comfyui: ComfyHost) -> None:
    with pytest.raises(HostError, match=r"start must be no greater than end \(0\.1\)"):
        comfyui.run(linked("start", "PrimitiveFloat", 0.9, end=0.1))
