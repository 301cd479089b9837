"""Each example workflow, run on the page, with its picture; and the API workflow in the docs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

import workflows
from comfyui_host import REPOSITORY, ComfyHost
from comfyui_page import open_page
from lattice import counts
from page import chromium
from PIL import Image

on_the_page = pytest.mark.skipif(chromium() is None, reason="no chromium here")
# (queries, keys) of the first pass, at the trained size; of the hires pass in its first quarter, by
# the paper's factors, each level against the threshold itself; then by the preset balanced
EXPECTED = {
    workflows.HIRES: {
        *((16 * 16, 16 * 16), (8 * 8, 8 * 8), (4 * 4, 4 * 4)),
        *((48 * 48, 16 * 16), (24 * 24, 12 * 12), (12 * 12, 12 * 12)),
        # three times the trained size: by 5 on the largest level, by 3 on those below it
        *((48 * 48, 10 * 10), (24 * 24, 8 * 8), (12 * 12, 4 * 4)),
    },
    workflows.SDXL: {
        *((16 * 16, 16 * 16), (8 * 8, 8 * 8)),
        (32 * 32, 16 * 16),
        # twice the trained size: by 3, and by 2
        *((32 * 32, 11 * 11), (16 * 16, 8 * 8)),
    },
}
# of the picture, in pixels
SIDES = {workflows.HIRES: 384, workflows.SDXL: 512}


def pictures(host: ComfyHost) -> set[Path]:
    """What workflows have saved so far."""
    return set((host.data / "output").glob("ToDo_*.png"))


@on_the_page
@pytest.mark.parametrize("name", workflows.NAMES)
def test_it_runs_and_the_hires_pass_is_pooled(comfyui: ComfyHost, name: str) -> None:
    before = pictures(comfyui)
    with open_page(comfyui) as page, comfyui.log_since() as lines:
        page.open(workflows.with_small_model(name))
        page.run_to_the_end()
    assert counts(comfyui.record()) == EXPECTED[name]
    assert len([line for line in lines if " keys " in line]) == 1
    (picture,) = pictures(comfyui) - before
    with Image.open(picture) as image:
        assert image.size == (SIDES[name], SIDES[name])


@on_the_page
@pytest.mark.parametrize("name", workflows.NAMES)
def test_its_picture_shows_the_whole_graph(comfyui: ComfyHost, name: str, tmp_path: Path) -> None:
    with open_page(comfyui) as page:
        page.open(workflows.workflow(name))
        page.picture_of_graph(tmp_path / f"{name}.png")
    if "TODO_SCREENSHOTS" in os.environ:
        workflows.save(name, tmp_path / f"{name}.png")
    with Image.open(tmp_path / f"{name}.png") as taken:
        shape = taken.width / (taken.height + workflows.CAPTION)
    with Image.open(workflows.FOLDER / f"{name}.jpg") as kept:
        assert kept.width / kept.height == pytest.approx(shape, rel=0.01), "draw it anew"


def test_the_api_workflow_of_the_docs(comfyui: ComfyHost) -> None:
    """As it is it is accepted: the host has an empty file of that name. And it runs smaller."""
    page = (REPOSITORY / "docs" / "comfyui.md").read_text("utf-8")
    (text,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    graph = json.loads(text)["prompt"]
    assert comfyui.queue(graph).status_code == 200
    nodes = {node["class_type"]: node for node in graph.values()}
    nodes["CheckpointLoaderSimple"].update(class_type="DemoCheckpoint", inputs={})
    for side in ("width", "height"):
        nodes["EmptyLatentImage"]["inputs"][side] //= workflows.SMALLER
    assert set(nodes["ToDo"]["inputs"]) == {"model", "preset"}
    threshold = {"threshold": 64 // workflows.SMALLER}
    graph["small"] = {"class_type": "ToDoSettings", "inputs": threshold}
    nodes["ToDo"]["inputs"]["preset"] = ["small", 0]
    comfyui.run(graph)
    assert counts(comfyui.record()) == EXPECTED[workflows.HIRES]
