"""img2img's Batch tab, which the API does not reach: a folder of images of several sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_steps import prepare, tick
from expect import CLEAN, PAPER_TEXT, first_pixels, parameters, picture, pixels
from host import Host
from page import WebUi
from tab import Tab
from told import pooled, sizes, steps

SIZES = {"a": (128, 128), "b": (192, 136), "c": (64, 64)}
# what the page does not say otherwise
PAGE = {"sampler_name": "DPM++ 2M", "denoising_strength": 0.75, "steps": 4}


@pytest.fixture
def batch(ui: WebUi, host: Host, tmp_path: Path) -> Iterator[Tab]:
    """img2img with the Batch tab open on a folder of images, each to keep its size."""
    page = ui.page
    for name, size in SIZES.items():
        (tmp_path / f"{name}.png").write_bytes(picture(*size))
    tab = prepare(ui.show("img2img"))
    tab.set(steps=4, denoising_strength=0.75)
    ui.fill("img2img_seed", 5)
    page.click('#mode_img2img button:text-is("Batch")')
    source = page.locator('#img2img_batch_source button:text-is("From directory")')
    if "selected" not in (source.get_attribute("class") or "").split():
        with ui.settled():
            source.click()
    ui.fill("img2img_batch_input_dir", tmp_path, "textarea")
    ui.fill("img2img_batch_output_dir", tmp_path / "made", "textarea")
    with ui.settled():
        page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    ui.fill("img2img_scale", 1)
    make(host, tmp_path, "c")
    yield tab
    page.click('#mode_img2img button:text-is("img2img")')
    prepare(tab)
    ui.fill("img2img_seed", -1)


def make(host: Host, folder: Path, name: str, text: str = "") -> bytes:
    """One of the images by the API, at its own size.

    The host encodes pictures with noise that no request seeds: an image depends on the one before
    it. So the batch comes after the last of its own images, and images are made in its order.
    """
    width, height = SIZES[name]
    more = {"infotext": text} if text else {}
    before = (folder / f"{name}.png").read_bytes()
    return first_pixels(host.img2img(before, seed=5, width=width, height=height, **PAGE, **more))


@pytest.mark.parametrize("on", [True, False])
def test_each_image_by_its_size_and_one_line_for_all(
    batch: Tab, host: Host, tmp_path: Path, on: bool
) -> None:
    if on:
        tick(batch)
    made = batch.generate()
    assert (made.error, made.images) == ("", 3)
    assert len([line for line in made.line.splitlines() if "ToDo" in line]) == on
    if on:
        (told,) = made.told
        assert sizes(told) == {"first": list(SIZES.values())}
        assert steps(told) == (8, 12)
        # 16×16 tokens by 2 and 17×24 by 3; 8×8 are not above the threshold
        assert pooled(told) == {(256, 64): 5, (408, 48): 5}
        shown = [f"{width}×{height}" for width, height in SIZES.values()]
        assert [size for size in shown if size not in made.line] == [], made.line
    assert host.probe_leftovers() == CLEAN
    kept = json.loads(batch.page.input_value("#generation_info_img2img textarea"))
    make(host, tmp_path, "c")
    own = PAPER_TEXT | {"ToDo factor": "automatic", "ToDo threshold": "8"}
    for name, text in zip(SIZES, kept["infotexts"], strict=True):
        assert parameters(text) == (own if on else {})
        # the host puts a number before the name
        (path,) = (tmp_path / "made").glob(f"*-{name}.png")
        assert make(host, tmp_path, name, text) == pixels(path.read_bytes())
