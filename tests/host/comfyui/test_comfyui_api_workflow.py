"""The API workflow in docs/comfyui.md, run on a small model."""

from __future__ import annotations

import json
import re

from comfyui_host import REPOSITORY, ComfyHost, Graph
from lattice import counts

PAGE = REPOSITORY / "docs" / "comfyui.md"
# the page's sizes and threshold, divided by four as in workflows.py
SMALLER = 4


def posted() -> Graph:
    (text,) = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return json.loads(text)["prompt"]


def of(graph: Graph, kind: str) -> dict:
    (node,) = [node for node in graph.values() if node["class_type"] == kind]
    return node


def test_it_names_the_checkpoint_and_is_accepted(comfyui: ComfyHost) -> None:
    """The host has an empty file of that name, which is found and cannot be loaded."""
    assert comfyui.queue(posted()).status_code == 200


def test_it_runs_and_its_second_pass_is_pooled(comfyui: ComfyHost) -> None:
    graph = posted()
    of(graph, "CheckpointLoaderSimple").update(class_type="DemoCheckpoint", inputs={})
    for side in ("width", "height"):
        of(graph, "EmptyLatentImage")["inputs"][side] //= SMALLER
    assert set(of(graph, "ToDo")["inputs"]) == {"model", "preset"}
    graph["small"] = {"class_type": "ToDoSettings", "inputs": {"threshold": 64 // SMALLER}}
    of(graph, "ToDo")["inputs"]["preset"] = ["small", 0]
    comfyui.run(graph)
    # 128 pixels as they are, then 384: by the paper's 3 and 2 in the first quarter, then by 5 and 3
    first = {(side * side, side * side) for side in (16, 8, 4)}
    lead_in = {(48 * 48, 16 * 16), (24 * 24, 12 * 12), (12 * 12, 12 * 12)}
    rest = {(48 * 48, 10 * 10), (24 * 24, 8 * 8), (12 * 12, 4 * 4)}
    assert counts(comfyui.record()) == first | lead_in | rest
