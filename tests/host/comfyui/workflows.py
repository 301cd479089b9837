"""The example workflows, with the tests' small models instead of the checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comfyui_host import REPOSITORY

FOLDER = REPOSITORY / "example_workflows"
HIRES, SDXL = "Hires fix with SD 1.5, 512 to 1536 pixels", "SDXL, 1024 to 2048 pixels"
NAMES = (HIRES, SDXL)
# what stands in for the checkpoint that a workflow asks for
CHECKPOINTS = {HIRES: "DemoCheckpoint", SDXL: "SDXLCheckpoint"}
# the tests' models draw pictures of a quarter of the size
SMALLER = 4
# ToDo Settings' values: the preset balanced, for a quarter of the size
SETTINGS = ["automatic", "automatic", 64 // SMALLER, 1.5, 1, "nearest", "moving", 0, 1, 1]
# of the templates' pictures, in pixels
CAPTION, WIDTH = 160, 1100
Workflow = dict[str, Any]


def workflow(name: str) -> Workflow:
    """As a person opens it."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def on_small_model(name: str, smaller: int) -> Workflow:
    """The same on a model of the tests, its sizes divided by `smaller`."""
    opened = workflow(name)
    node_of(opened, "CheckpointLoaderSimple").update(
        type=CHECKPOINTS[name], inputs=[], widgets_values=[]
    )
    size = node_of(opened, "EmptyLatentImage")
    size["widgets_values"][:2] = [side // smaller for side in size["widgets_values"][:2]]
    return opened


def with_small_model(name: str) -> Workflow:
    """The same at the model's own sizes, with ToDo Settings that know them."""
    opened = on_small_model(name, SMALLER)
    link = opened["last_link_id"] = opened["last_link_id"] + 1
    opened["last_node_id"] += 1
    todo = node_of(opened, "ToDo")
    settings = {
        "id": opened["last_node_id"],
        "type": "ToDoSettings",
        "pos": [350, 600],
        "size": [300, 250],
        "flags": {},
        "order": 0,
        "mode": 0,
        "outputs": [{"name": "settings", "type": "TODO_SETTINGS", "links": [link]}],
        "properties": {},
        "widgets_values": SETTINGS,
    }
    opened["nodes"].append(settings)
    slot = [given["name"] for given in todo["inputs"]].index("preset")
    todo["inputs"][slot]["link"] = link
    opened["links"].append([link, settings["id"], 0, todo["id"], slot, "TODO_SETTINGS"])
    return opened


def node_of(opened: Workflow, kind: str) -> dict[str, Any]:
    """The only node of that kind."""
    (node,) = [node for node in opened["nodes"] if node["type"] == kind]
    return node


def save(name: str, graph: Path) -> None:
    """Keep a picture of the graph, a PNG file, where ComfyUI's templates look for it.

    Above it stands what the workflow is for, large enough for the small cards of the templates.
    """
    from PIL import Image, ImageDraw, ImageFont

    with Image.open(graph) as picture:
        image = Image.new("RGB", (picture.width, picture.height + CAPTION), "#171718")
        image.paste(picture, (0, CAPTION))
    font = ImageFont.load_default(CAPTION * 0.55)
    middle = (image.width / 2, CAPTION / 2)
    ImageDraw.Draw(image).text(middle, name, "white", font, anchor="mm")
    image.thumbnail((WIDTH, WIDTH))
    image.save(FOLDER / f"{name}.jpg", quality=85)
