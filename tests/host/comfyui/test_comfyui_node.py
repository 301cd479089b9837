"""The nodes as ComfyUI shows them, what they say, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_host import ComfyHost, Graph, HostError
from graphs import TODO, hires, text2image
from lattice import counts

NAMES = ("ToDo", "ToDoSettings")
SETTINGS = "chain-0-settings"
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
        assert given == "model" or f"| {options['display_name']} |" in page.text


def test_no_number_has_a_hidden_meaning_and_steps_stay_within_bounds(comfyui: ComfyHost) -> None:
    nodes = comfyui.get("object_info").json()
    assert list(inputs_of(nodes["ToDo"])) == ["model", "preset"]
    _, preset = inputs_of(nodes["ToDo"])["preset"]
    assert preset["options"][0] == preset["default"] == "balanced", "previews show the first one"
    inputs = inputs_of(nodes["ToDoSettings"])
    numbers = {name: options for name, (_, options) in inputs.items() if "min" in options}
    assert list(numbers) == ["threshold", "scale", "deep_scale", "start", "end", "above"]
    for name, options in numbers.items():
        low, high, step = options["min"], options["max"], options["step"]
        assert low >= 0
        assert (high - low) / step == pytest.approx(round((high - low) / step)), name


def test_a_line_for_each_sampling_that_names_the_first_quarter(comfyui: ComfyHost) -> None:
    first, second = comfyui.said(hires(TODO))
    assert "(128×128): nothing was pooled: no layer is above the threshold" in first
    assert "(256×256): 1024 → 256 keys in 3 of 10 self-attention layers" in second
    # by the preset's factors in most steps, by the paper's in the first quarter
    *_, said = comfyui.said(hires(("ToDo", {"threshold": 16}), scale=3.0))
    assert "times as fast, in the first quarter" in said


def test_areas_of_other_sizes_do_not_count_a_layer_twice(comfyui: ComfyHost) -> None:
    graph = text2image(TODO)
    area = {"width": 256, "height": 144, "x": 0, "y": 0, "strength": 1.0}
    graph["area"] = {
        "class_type": "ConditioningSetArea",
        "inputs": {"conditioning": ["positive", 0], **area},
    }
    both = {"conditioning_1": ["positive", 0], "conditioning_2": ["area", 0]}
    graph["both"] = {"class_type": "ConditioningCombine", "inputs": both}
    graph["sampler"]["inputs"]["positive"] = ["both", 0]
    (said,) = comfyui.said(graph)
    assert "1024 → 256, 576 → 144 keys in 3 of 10 self-attention layers" in said


def test_a_model_of_another_kind_passes_through_and_is_named(comfyui: ComfyHost) -> None:
    graph = {
        "model": {"class_type": "ZImageModel", "inputs": {}},
        "todo": {"class_type": "ToDo", "inputs": {"model": ["model", 0]}},
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["todo", 0]}},
    }
    (said,) = comfyui.said(graph)
    assert "nothing was pooled: Z-Image has no layers that ToDo can pool" in said


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
