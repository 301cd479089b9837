"""img2img's Batch tab, which the API does not reach: a folder of images of several sizes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_steps import prepare, tick
from expect import CLEAN, PAPER_TEXT, parameters, picture
from host import Host
from page import WebUi
from tab import Tab
from told import pooled, seen_calls, sizes, steps, told_calls

SIZES = {"a": (128, 128), "b": (192, 136), "c": (64, 64)}


@pytest.fixture
def batch(ui: WebUi, host: Host, tmp_path: Path) -> Iterator[Tab]:
    """img2img with the Batch tab open on a folder of images, each to keep its size."""
    page = ui.page
    # the host looks into folders within, so that of the results is beside it
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, size in SIZES.items():
        (pictures / f"{name}.png").write_bytes(picture(*size))
    tab = prepare(ui.show("img2img"))
    tab.set(steps=4, denoising_strength=0.75)
    page.click('#mode_img2img button:text-is("Batch")')
    source = page.locator('#img2img_batch_source button:text-is("From directory")')
    if "selected" not in (source.get_attribute("class") or "").split():
        with ui.settled():
            source.click()
    ui.fill("img2img_batch_input_dir", pictures, "textarea")
    ui.fill("img2img_batch_output_dir", tmp_path / "made", "textarea")
    with ui.settled():
        page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    ui.fill("img2img_scale", 1)
    yield tab
    page.click('#mode_img2img button:text-is("img2img")')
    prepare(tab)


def test_each_image_by_its_size_and_one_line_for_all(batch: Tab, host: Host) -> None:
    off = batch.generate()
    assert (off.error, off.images, off.told) == ("", 3, [])
    assert "ToDo" not in off.line + off.infotext
    tick(batch)
    host.probe_reset()
    made = batch.generate()
    assert (made.error, made.images) == ("", 3)
    (told,) = made.told
    assert sizes(told) == {"first": list(SIZES.values())}
    assert steps(told) == (8, 12)
    # 16×16 tokens by 2 and 17×24 by 3; 8×8 are not above the threshold
    assert pooled(told) == {(256, 64): 5, (408, 48): 5}
    seen = seen_calls(host.probe_counts()["rows"])
    by_us = {key: calls for key, calls in told_calls(told).items() if key[2] < math.prod(key[1])}
    assert by_us.items() <= seen.items()
    assert len([line for line in made.line.splitlines() if "ToDo" in line]) == 1
    shown = [f"{width}×{height}" for width, height in SIZES.values()]
    assert [size for size in shown if size not in made.line] == [], made.line
    kept = json.loads(batch.page.input_value("#generation_info_img2img textarea"))
    own = PAPER_TEXT | {"ToDo threshold": "8"}
    assert [parameters(text) for text in kept["infotexts"]] == [own] * 3
    assert host.probe_leftovers() == CLEAN
