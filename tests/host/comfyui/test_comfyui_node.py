"""The nodes as ComfyUI shows them, and what they say."""

from __future__ import annotations

import pytest
import workflows
from comfyui_host import ComfyHost
from graphs import TODO, hires, text2image

NAMES = ("ToDo", "ToDoSettings")


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


def test_example_workflows_are_offered_with_a_picture(comfyui: ComfyHost) -> None:
    found = comfyui.get("workflow_templates").json()["sd-webui-todo"]
    assert sorted(found) == sorted(workflows.NAMES)
    for name in found:
        for kind in ("json", "jpg"):
            assert comfyui.get(f"api/workflow_templates/sd-webui-todo/{name}.{kind}").ok
