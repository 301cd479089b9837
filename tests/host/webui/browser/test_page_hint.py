"""The page in a real browser: the hint follows every control that affects it."""

from __future__ import annotations

import pytest
from browser_steps import prepare, upload
from host import Host
from page import WebUi
from tab import Tab


@pytest.fixture
def paper(tab: Tab) -> Tab:
    """The tab with the preset paper, at 1024×1024."""
    tab.set(preset="paper", width=1024, height=1024)
    return tab


def test_the_hint_follows_hires_fix(paper: Tab) -> None:
    paper.set(width=512, height=512)
    paper.hint_with("nothing is lost", lines=1)
    paper.unfold("hr")
    paper.switch("hr", True)
    paper.set(hr_scale=2, hr_resize_x=0, hr_resize_y=0)
    told = paper.hint_with("1024×1024: 128×128 → 64×64 tokens (by 2)")
    first, second, presets = told.splitlines()
    assert ["512×512" in first, "1024×1024" in second] == [True, True]
    assert all(f"{name} " in presets for name in ("close", "balanced", "fast", "paper"))
    paper.set(hr_scale=3)
    paper.hint_with("1536×1536: 192×192 → 64×64 tokens (by 3)")
    paper.set(hr_resize_x=1280, hr_resize_y=768)
    paper.hint_with("1280×768: 160×96")
    paper.set(hr_resize_x=0, hr_resize_y=0, hr_scale=2, passes="hires")
    paper.hint_with("1024×1024: 128×128 → 64×64", lines=3)
    paper.switch("hr", False)
    assert "→" not in paper.hint_with("Nothing to gain", lines=1)


def test_the_hint_follows_every_setting(paper: Tab) -> None:
    paper.hint_with("128×128 → 64×64 tokens (by 2)")
    paper.set(factor="4")
    paper.hint_with("128×128 → 32×32 tokens (by 4)")
    paper.set(threshold=32)
    paper.hint_with("64×64 → 32×32 tokens (by 2)")
    paper.set(deep_factor="8")
    paper.hint_with("64×64 → 8×8 tokens (by 8)")
    whole = paper.hint()
    # none of the two steps that the tests set begins there
    paper.set(start=0.9)
    paper.hint_with("no step lies between Start and End", lines=1)
    paper.set(steps=20)
    paper.page.wait_for_function(
        "([id, n]) => document.querySelector(`#${id} .todo-hint`).innerText.trim().length > n",
        arg=[paper.id("hint"), len(whole)],
    )
    paper.set(factor="1", deep_factor="1", start=0)
    assert "→" not in paper.hint_with("1024×1024", lines=1)
    paper.set(start=0.5, end=0.5)
    paper.hint_with("Start and End")


def test_the_hint_follows_img2img_and_its_resize_by(ui: WebUi) -> None:
    tab = prepare(ui.show("img2img"))
    tab.set(preset="paper")
    tab.set(threshold=8, width=256, height=128)
    tab.hint_with("256×128: 32×16 → 11×6 tokens (by 3)")
    upload(tab, 128, 192)
    tab.page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    tab.ui.fill("img2img_scale", 2)
    tab.hint_with("256×384: 32×48")
    tab.page.click('#tab_img2img .tab-nav button:has-text("Resize to")')
    tab.hint_with("256×128: 32×16")


def test_the_hint_follows_the_checkpoint_and_the_refiner(paper: Tab, host: Host) -> None:
    """SDXL has no layers of the latent's own size. A refiner's file tells: it is not loaded yet."""
    paper.hint_with("128×128 → 64×64")
    host.use("tinyxl_a")
    assert "→" not in paper.hint_with("nothing changes", lines=1)
    host.use("tiny15_a")
    paper.hint_with("128×128 → 64×64")
    paper.unfold("enable")
    paper.switch("enable", True)
    # its hash is not known here
    paper.page.locator("#txt2img_checkpoint input").first.click()
    options = paper.page.locator('#txt2img_checkpoint ul.options li[aria-label^="tinyxl_a"]')
    options.first.click()
    paper.hint_with("from 0.8 of its steps on", lines=3)
    paper.switch("enable", False)
    paper.hint_with("128×128 → 64×64", lines=2)
