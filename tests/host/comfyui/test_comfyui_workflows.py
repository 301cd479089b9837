"""Each example workflow, run on the page; and the API workflow in the docs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from comfyui_host import REPOSITORY, ComfyHost
from comfyui_page import open_page
from lattice import counts
from page import chromium
from PIL import Image

FOLDER = REPOSITORY / "example_workflows"
HIRES, SDXL = "Hires fix with SD 1.5, 512 to 1536 pixels", "SDXL, 1024 to 2048 pixels"
NAMES = (HIRES, SDXL)
# what stands in for the checkpoint that a workflow asks for
CHECKPOINTS = {HIRES: "DemoCheckpoint", SDXL: "SDXLCheckpoint"}
# the tests' models draw pictures of a quarter of the size
SMALLER = 4
# ToDo Settings' values: the preset balanced, for a quarter of the size
SETTINGS = ["automatic", "automatic", 64 // SMALLER, 1.5, 1, "nearest", "moving", 0, 1, 1]
Workflow = dict[str, Any]
# (queries, keys) of the first pass, at the trained size; of the hires pass in its first quarter, by
# the paper's factors, each level against the threshold itself; then by the preset balanced
EXPECTED = {
    HIRES: {
        *((16 * 16, 16 * 16), (8 * 8, 8 * 8), (4 * 4, 4 * 4)),
        *((48 * 48, 16 * 16), (24 * 24, 12 * 12), (12 * 12, 12 * 12)),
        # three times the trained size: by 5 on the largest level, by 3 on those below it
        *((48 * 48, 10 * 10), (24 * 24, 8 * 8), (12 * 12, 4 * 4)),
    },
    SDXL: {
        *((16 * 16, 16 * 16), (8 * 8, 8 * 8)),
        (32 * 32, 16 * 16),
        # twice the trained size: by 3, and by 2
        *((32 * 32, 11 * 11), (16 * 16, 8 * 8)),
    },
}
# of the picture, in pixels
SIDES = {HIRES: 384, SDXL: 512}


def with_small_model(name: str) -> Workflow:
    """As a person opens it, but for the model, its sizes, and ToDo Settings that know them."""
    opened = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    node_of(opened, "CheckpointLoaderSimple").update(
        type=CHECKPOINTS[name], inputs=[], widgets_values=[]
    )
    size = node_of(opened, "EmptyLatentImage")
    size["widgets_values"][:2] = [side // SMALLER for side in size["widgets_values"][:2]]
    link = opened["last_link_id"] = opened["last_link_id"] + 1
    opened["last_node_id"] += 1
    todo = node_of(opened, "ToDo")
    settings = {"id": opened["last_node_id"], "type": "ToDoSettings", "widgets_values": SETTINGS}
    settings |= {"pos": [350, 600], "size": [300, 250], "order": 0, "mode": 0}
    settings["outputs"] = [{"name": "settings", "type": "TODO_SETTINGS", "links": [link]}]
    opened["nodes"].append(settings | {"flags": {}, "properties": {}})
    slot = [given["name"] for given in todo["inputs"]].index("preset")
    todo["inputs"][slot]["link"] = link
    opened["links"].append([link, settings["id"], 0, todo["id"], slot, "TODO_SETTINGS"])
    return opened


def node_of(opened: Workflow, kind: str) -> dict[str, Any]:
    """The only node of that kind."""
    (node,) = [node for node in opened["nodes"] if node["type"] == kind]
    return node


@pytest.mark.skipif(chromium() is None, reason="no chromium here")
@pytest.mark.parametrize(
    ("name", "vue_nodes"),
    [(HIRES, False), (HIRES, True), (SDXL, False)],
)
def test_it_runs_is_pooled_and_its_text_is_whole(
    comfyui: ComfyHost, tmp_path: Path, name: str, vue_nodes: bool
) -> None:
    comfyui.free_memory()
    saved = comfyui.data / "output"
    before = set(saved.glob("ToDo_*.png"))
    with open_page(comfyui, vue_nodes=vue_nodes) as page, comfyui.log_since() as lines:
        page.open(with_small_model(name))
        page.run_to_the_end()
        text = page.text_under("ToDo")
        assert text is not None and "by the paper's factors" in text
        assert page.text_is_whole(text)
        folder = Path(os.environ.get("TODO_SCREENSHOTS", tmp_path))
        page.picture_of_graph(folder / f"comfyui{'-vue' if vue_nodes else ''}.png")
    assert counts(comfyui.record()) == EXPECTED[name]
    assert len([line for line in lines if " keys " in line]) == 1
    (picture,) = set(saved.glob("ToDo_*.png")) - before
    with Image.open(picture) as image:
        assert image.size == (SIDES[name], SIDES[name])


def test_the_api_workflow_of_the_docs(comfyui: ComfyHost) -> None:
    """As it is it is accepted: the host has an empty file of that name. And it runs smaller."""
    page = (REPOSITORY / "docs" / "comfyui.md").read_text("utf-8")
    (text,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    graph = json.loads(text)["prompt"]
    assert comfyui.queue(graph).status_code == 200
    nodes = {node["class_type"]: node for node in graph.values()}
    nodes["CheckpointLoaderSimple"].update(class_type="DemoCheckpoint", inputs={})
    for side in ("width", "height"):
        nodes["EmptyLatentImage"]["inputs"][side] //= SMALLER
    assert set(nodes["ToDo"]["inputs"]) == {"model", "preset"}
    threshold = {"threshold": 64 // SMALLER}
    graph["small"] = {"class_type": "ToDoSettings", "inputs": threshold}
    nodes["ToDo"]["inputs"]["preset"] = ["small", 0]
    comfyui.run(graph)
    assert counts(comfyui.record()) == EXPECTED[HIRES]


def test_example_workflows_are_offered_with_a_picture(comfyui: ComfyHost) -> None:
    found = comfyui.get("workflow_templates").json()["sd-webui-todo"]
    assert sorted(found) == sorted(NAMES)
    for name in found:
        for kind in ("json", "jpg"):
            assert comfyui.get(f"api/workflow_templates/sd-webui-todo/{name}.{kind}").ok
