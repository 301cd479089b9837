"""Each example workflow, opened and run on the page, and its picture."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

import workflows
from comfyui_host import ComfyHost
from comfyui_page import ComfyPage, chromium, open_page
from lattice import counts
from PIL import Image

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium here")
# of the hires pass, by the preset balanced: (queries, keys); and the side of the picture in pixels
EXPECTED = {
    # three times the trained size: by 5 on the largest level, by 3 on those below it
    workflows.HIRES: ({(48 * 48, 10 * 10), (24 * 24, 8 * 8), (12 * 12, 4 * 4)}, 384),
    # twice the trained size: by 3, and by 2
    workflows.SDXL: ({(32 * 32, 11 * 11), (16 * 16, 8 * 8)}, 512),
}
# of its first quarter, by the paper's factors: each level against the threshold itself
LEAD_IN = {
    workflows.HIRES: {(48 * 48, 16 * 16), (24 * 24, 12 * 12), (12 * 12, 12 * 12)},
    workflows.SDXL: {(32 * 32, 16 * 16), (16 * 16, 16 * 16)},
}
FIRST_PASS = {
    workflows.HIRES: {(16 * 16, 16 * 16), (8 * 8, 8 * 8), (4 * 4, 4 * 4)},
    workflows.SDXL: {(16 * 16, 16 * 16), (8 * 8, 8 * 8)},
}


@pytest.mark.parametrize("name", workflows.NAMES)
def test_it_runs_and_the_hires_pass_is_pooled(comfyui: ComfyHost, name: str) -> None:
    before = pictures(comfyui)
    with open_page(comfyui) as page, comfyui.log_since() as lines:
        page.open(workflows.with_small_model(name))
        page.run_to_the_end()
    expected, side = EXPECTED[name]
    assert counts(comfyui.record()) == expected | LEAD_IN[name] | FIRST_PASS[name]
    assert len([line for line in lines if " keys " in line]) == 1
    (picture,) = pictures(comfyui) - before
    with Image.open(picture) as image:
        assert image.size == (side, side)


def pictures(host: ComfyHost) -> set[Path]:
    """What workflows have saved so far."""
    return set((host.data / "output").glob("ToDo_*.png"))


@pytest.mark.parametrize("name", workflows.NAMES)
def test_its_picture_shows_the_whole_graph(comfyui: ComfyHost, name: str, tmp_path: Path) -> None:
    with open_page(comfyui) as page:
        page.open(workflows.workflow(name))
        assert nodes_on(page) == len(workflows.workflow(name)["nodes"])
        page.picture_of_graph(tmp_path / f"{name}.png")
    if "TODO_SCREENSHOTS" in os.environ:
        workflows.save(name, tmp_path / f"{name}.png")
    with Image.open(tmp_path / f"{name}.png") as taken:
        shape = taken.width / (taken.height + workflows.CAPTION)
    with Image.open(workflows.FOLDER / f"{name}.jpg") as kept:
        assert kept.width / kept.height == pytest.approx(shape, rel=0.01), "draw it anew"


def nodes_on(page: ComfyPage) -> int:
    return page.page.evaluate("app.graph._nodes.length")
