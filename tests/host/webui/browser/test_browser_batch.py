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
from todo_report import pooled, sizes, steps

SIZES = {"a": (128, 128), "b": (192, 136), "c": (64, 64)}
OWN = {"ToDo factor": "automatic", "ToDo threshold": "8"}
# what the page does not say otherwise
PAGE = {"sampler_name": "DPM++ 2M", "denoising_strength": 0.75, "steps": 4}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Where the images are and where they go."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    for name, size in SIZES.items():
        (before / f"{name}.png").write_bytes(picture(*size))
    return before, after


@pytest.fixture
def batch(ui: WebUi, page_host: Host, folders: tuple[Path, Path]) -> Iterator[Tab]:
    """img2img with the Batch tab open on that folder, each image to keep its size."""
    page = ui.page
    tab = prepare(ui.show("img2img"))
    tab.set(steps=4, denoising_strength=0.75)
    ui.fill("img2img_seed", 5)
    page.click('#mode_img2img button:text-is("Batch")')
    source = page.locator('#img2img_batch_source button:text-is("From directory")')
    if "selected" not in (source.get_attribute("class") or "").split():
        with ui.settled():
            source.click()
    ui.fill("img2img_batch_input_dir", folders[0], "textarea")
    ui.fill("img2img_batch_output_dir", folders[1], "textarea")
    with ui.settled():
        page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    ui.fill("img2img_scale", 1)
    make(page_host, folders, "c")
    page_host.probe_reset()
    yield tab
    page.click('#mode_img2img button:text-is("img2img")')
    prepare(tab)
    ui.fill("img2img_seed", -1)


def make(host: Host, folders: tuple[Path, Path], name: str, text: str = "") -> bytes:
    """One of the images by the API, at its own size.

    The host encodes pictures with noise that no request seeds: an image depends on the one before
    it. So the batch comes after the last of its own images, and images are made in its order.
    """
    width, height = SIZES[name]
    before = (folders[0] / f"{name}.png").read_bytes()
    size = {"width": width, "height": height}
    more = {"infotext": text} if text else {}
    return first_pixels(host.img2img(before, seed=5, **PAGE, **size, **more))


def made_by_the_batch(folders: tuple[Path, Path], name: str) -> bytes:
    """The host puts a number before the name."""
    (path,) = folders[1].glob(f"*-{name}.png")
    return pixels(path.read_bytes())


def test_each_image_by_its_size_and_one_line_for_all(
    batch: Tab, page_host: Host, folders: tuple[Path, Path]
) -> None:
    tick(batch)
    made = batch.generate()
    assert (made.error, made.images) == ("", 3)
    (told,) = made.told
    assert sizes(told) == {"first": list(SIZES.values())}
    assert steps(told) == (8, 12)
    # 16×16 tokens by 2 and 17×24 by 3; 8×8 are not above the threshold
    assert pooled(told) == {(256, 64): 5, (408, 48): 5}
    assert len([line for line in made.line.splitlines() if "ToDo" in line]) == 1
    assert all(f"{width}×{height}" in made.line for width, height in SIZES.values())
    assert page_host.probe_leftovers() == CLEAN

    kept = json.loads(batch.page.input_value("#generation_info_img2img textarea"))
    make(page_host, folders, "c")
    for name, text in zip(SIZES, kept["infotexts"], strict=True):
        assert parameters(text) == PAPER_TEXT | OWN
        assert make(page_host, folders, name, text) == made_by_the_batch(folders, name)


def test_off_each_image_is_the_one_without(
    batch: Tab, page_host: Host, folders: tuple[Path, Path]
) -> None:
    made = batch.generate()
    assert (made.error, made.images, made.told, "ToDo" in made.line) == ("", 3, [], False)
    make(page_host, folders, "c")
    for name in SIZES:
        assert make(page_host, folders, name) == made_by_the_batch(folders, name)
