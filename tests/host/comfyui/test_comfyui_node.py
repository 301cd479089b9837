"""The nodes as ComfyUI shows them, and what they say."""

from __future__ import annotations

import pytest
import requests
import workflows
from comfyui_host import ComfyHost
from graphs import TODO, hires, text2image


@pytest.fixture(scope="module")
def info(shared_comfyui: ComfyHost) -> dict[str, dict]:
    answer = requests.get(f"{shared_comfyui.url}/object_info", timeout=60).json()
    return {name: answer[name] for name in ("ToDo", "ToDoSettings")}


def inputs_of(node: dict) -> dict[str, tuple]:
    return {**node["input"].get("required", {}), **node["input"].get("optional", {})}


@pytest.mark.parametrize("name", ["ToDo", "ToDoSettings"])
def test_it_is_described(info: dict, name: str) -> None:
    assert info[name]["category"] == "model/patch/unet"
    assert info[name]["description"] and info[name]["search_aliases"]
    for given, (_, options) in inputs_of(info[name]).items():
        assert options.get("tooltip"), f"{given} has no tooltip"


def test_the_node_has_a_model_and_a_preset(info: dict) -> None:
    assert list(inputs_of(info["ToDo"])) == ["model", "preset"]
    _, preset = inputs_of(info["ToDo"])["preset"]
    assert preset["options"][0] == preset["default"] == "balanced", "previews show the first one"


def test_no_number_has_a_hidden_meaning_and_steps_stay_within_bounds(info: dict) -> None:
    numbers = {n: o for n, (kind, o) in inputs_of(info["ToDoSettings"]).items() if "min" in o}
    assert list(numbers) == ["threshold", "scale", "deep_scale", "start", "end", "above"]
    for name, options in numbers.items():
        low, high, step = options["min"], options["max"], options["step"]
        assert low >= 0
        assert (high - low) / step == pytest.approx(round((high - low) / step)), name


def test_a_line_for_each_sampling(comfyui: ComfyHost) -> None:
    before = len(comfyui.log())
    comfyui.run(hires(TODO))
    said = [line for line in comfyui.log()[before:].splitlines() if "ToDo" in line]
    assert len(said) == 2
    assert "(128×128): nothing was pooled: no layer is above the threshold" in said[0]
    assert "(256×256): 1024 → 256 keys in 3 of 10 self-attention layers" in said[1]


def test_the_line_names_the_first_quarter(comfyui: ComfyHost) -> None:
    """By the preset's factors in most steps, by the paper's in the first quarter."""
    with comfyui.log_since() as lines:
        comfyui.run(hires(("ToDo", {"threshold": 16}), scale=3.0))
    *_, said = [line for line in lines if "ToDo" in line]
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
    with comfyui.log_since() as lines:
        comfyui.run(graph)
    (said,) = [line for line in lines if "ToDo" in line]
    assert "1024 → 256, 576 → 144 keys in 3 of 10 self-attention layers" in said


def test_a_model_of_another_kind_passes_through_and_is_named(comfyui: ComfyHost) -> None:
    graph = {
        "model": {"class_type": "ZImageModel", "inputs": {}},
        "todo": {"class_type": "ToDo", "inputs": {"model": ["model", 0]}},
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["todo", 0]}},
    }
    with comfyui.log_since() as lines:
        comfyui.run(graph)
    (said,) = [line for line in lines if "ToDo" in line]
    assert "nothing was pooled: Z-Image has no layers that ToDo can pool" in said


@pytest.mark.parametrize("name", ["ToDo", "ToDoSettings"])
def test_help_page_names_every_input(comfyui: ComfyHost, info: dict, name: str) -> None:
    answer = requests.get(f"{comfyui.url}/extensions/sd-webui-todo/docs/{name}.md", timeout=30)
    assert answer.ok and answer.text.startswith("# ToDo")
    for _, options in list(inputs_of(info[name]).values())[name == "ToDo" :]:
        assert f"| {options['display_name']} |" in answer.text


def test_example_workflows(comfyui: ComfyHost) -> None:
    found = requests.get(f"{comfyui.url}/workflow_templates", timeout=30).json()["sd-webui-todo"]
    assert sorted(found) == sorted(workflows.NAMES)
    for name in found:
        for kind in ("json", "jpg"):
            where = f"{comfyui.url}/api/workflow_templates/sd-webui-todo/{name}.{kind}"
            assert requests.get(where, timeout=30).ok, f"{name}.{kind}"
