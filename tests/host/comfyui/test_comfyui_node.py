"""The node as ComfyUI shows and checks it, and what it says."""

from __future__ import annotations

import pytest
import requests
from comfyui_host import ComfyHost
from graphs import TODO, hires, text2image


@pytest.fixture(scope="module")
def info(shared_comfyui: ComfyHost) -> dict:
    return requests.get(f"{shared_comfyui.url}/object_info/ToDo", timeout=30).json()["ToDo"]


def test_it_is_described(info: dict) -> None:
    assert info["category"] == "model/patch/unet"
    assert "token downsampling" in info["search_aliases"]
    for name, (_, options) in {**info["input"]["required"], **info["input"]["optional"]}.items():
        assert options.get("tooltip"), f"{name} has no tooltip"


def test_all_but_model_and_preset_are_advanced(info: dict) -> None:
    plain = [n for n, (_, o) in info["input"]["optional"].items() if not o.get("advanced")]
    assert list(info["input"]["required"]) == ["model"]
    assert plain == ["preset"]


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"factor": 9}, ["factor", "9"]),
        ({"factor": 0.5}, ["factor", "0.5", "from 1 to 8"]),
        ({"start": 0.9, "end": 0.1}, ["start", "0.9", "no greater than end (0.1)"]),
        ({"end": float("nan")}, ["end", "nan", "from 0 to 1"]),
        ({"threshold": 600}, ["threshold", "600"]),
        ({"method": "median"}, ["method", "median", "nearest"]),
        ({"preset": "quick"}, ["preset", "quick", "balanced"]),
    ],
    ids=lambda case: ", ".join(map(str, case)),
)
def test_bad_values_are_refused_before_anything_runs(
    comfyui: ComfyHost, inputs: dict, names: list[str]
) -> None:
    answer = comfyui.queue(text2image(("ToDo", inputs)))
    assert answer.status_code == 400
    errors = answer.json()["node_errors"]["chain-0"]["errors"]
    told = " ".join(f"{error['message']} {error['details']}" for error in errors)
    for name in names:
        assert name in told
    assert not comfyui.record()["calls"]


def test_a_line_for_each_sampling(comfyui: ComfyHost) -> None:
    before = len(comfyui.log())
    comfyui.run(hires(TODO))
    said = [line for line in comfyui.log()[before:].splitlines() if "ToDo" in line]
    assert len(said) == 2
    assert "nothing was pooled: no layer has more than 16×16 tokens at 128×128" in said[0]
    assert "1024 → 256 keys in 3 of 10 self-attention layers" in said[1]


def test_help_page(comfyui: ComfyHost) -> None:
    page = requests.get(f"{comfyui.url}/extensions/sd-webui-todo/docs/ToDo.md", timeout=30)
    assert page.ok and page.text.startswith("# ToDo")


def test_example_workflows(comfyui: ComfyHost) -> None:
    found = requests.get(f"{comfyui.url}/workflow_templates", timeout=30).json()["sd-webui-todo"]
    assert sorted(found) == ["hires-fix-sd15", "sdxl-2048"]
    for name in found:
        for kind in ("json", "jpg"):
            where = f"{comfyui.url}/api/workflow_templates/sd-webui-todo/{name}.{kind}"
            assert requests.get(where, timeout=30).ok, f"{name}.{kind}"
