"""The example workflows, with the tests' small models instead of the checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comfyui_host import REPOSITORY

FOLDER = REPOSITORY / "example_workflows"
NAMES = ("hires-fix-sd15", "sdxl-2048")
# what stands in for the checkpoint that a workflow asks for
CHECKPOINTS = {"hires-fix-sd15": "DemoCheckpoint", "sdxl-2048": "SDXLCheckpoint"}
# the tests' models draw pictures of a quarter of the size
SMALLER = 4
TRAINED_GRID = 64
Workflow = dict[str, Any]


def workflow(name: str) -> Workflow:
    """As a person opens it."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def with_small_model(name: str) -> Workflow:
    """The same on a model of the tests, its sizes and the threshold a quarter of what they are."""
    opened = workflow(name)
    node_of(opened, "CheckpointLoaderSimple").update(
        type=CHECKPOINTS[name], inputs=[], widgets_values=[]
    )
    size = node_of(opened, "EmptyLatentImage")
    size["widgets_values"][:2] = [side // SMALLER for side in size["widgets_values"][:2]]
    todo = node_of(opened, "ToDo")
    widgets = [slot["name"] for slot in todo["inputs"] if "widget" in slot]
    todo["widgets_values"][widgets.index("threshold")] = TRAINED_GRID // SMALLER
    return opened


def node_of(opened: Workflow, kind: str) -> dict[str, Any]:
    """The only node of that kind."""
    (node,) = [node for node in opened["nodes"] if node["type"] == kind]
    return node


def save(name: str, picture: Path) -> None:
    """Keep a picture of the graph, a PNG file, where ComfyUI's templates look for it."""
    from PIL import Image

    with Image.open(picture) as image:
        image.convert("RGB").save(FOLDER / f"{name}.jpg", quality=88)
