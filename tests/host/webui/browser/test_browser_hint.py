"""The page in a real browser: the hint follows every control that affects it."""

from __future__ import annotations

import pytest
from browser_steps import prepare, upload
from host import Host
from page import WebUi
from tab import Tab


@pytest.fixture
def paper(tab: Tab) -> Tab:
    """The tab with the preset paper."""
    tab.set(preset="paper")
    return tab


def test_the_hint_follows_width_height_and_the_swap(paper: Tab) -> None:
    paper.set(width=1024, height=768)
    paper.hint_with("1024×768: 128×96 → 64×48 tokens (by 2)", lines=2)
    paper.page.click("#txt2img_res_switch_btn")
    paper.hint_with("768×1024: 96×128 → 48×64 tokens (by 2)")
    paper.set(width=512, height=512)
    assert "nothing is lost" in paper.hint_with("512×512", lines=1)


def test_the_hint_follows_hires_fix(paper: Tab) -> None:
    paper.set(width=512, height=512)
    paper.hint_with("512×512", lines=1)
    paper.unfold("hr")
    paper.switch("hr", True)
    paper.set(hr_scale=2, hr_resize_x=0, hr_resize_y=0)
    told = paper.hint_with("1024×1024: 128×128 → 64×64 tokens (by 2)")
    first, second, presets = told.splitlines()
    assert ["512×512" in first, "1024×1024" in second] == [True, True]
    assert all(f"{name} " in presets for name in ("close", "balanced", "fast", "paper"))
    paper.set(hr_scale=3)
    paper.hint_with("1536×1536: 192×192 → 64×64 tokens (by 3)")
    paper.set(hr_resize_x=1280)
    paper.hint_with("1280×1280: 160×160")
    paper.set(hr_resize_y=768)
    paper.hint_with("1280×768: 160×96")
    paper.set(hr_resize_x=0, hr_resize_y=0, hr_scale=2, passes="hires")
    paper.hint_with("1024×1024: 128×128 → 64×64", lines=3)
    paper.switch("hr", False)
    assert "→" not in paper.hint_with("Nothing to gain", lines=1)


def test_the_hint_follows_every_setting(paper: Tab) -> None:
    paper.set(width=1024, height=1024)
    paper.hint_with("128×128 → 64×64 tokens (by 2)")
    paper.set(factor="4")
    paper.hint_with("128×128 → 32×32 tokens (by 4)")
    paper.set(threshold=32)
    paper.hint_with("64×64 → 32×32 tokens (by 2)")
    paper.set(deep_factor="8")
    paper.hint_with("64×64 → 8×8 tokens (by 8)")
    whole = paper.hint()
    paper.set(start=0.9)
    paper.page.wait_for_function(
        "([id, before]) => document.querySelector(`#${id} .todo-hint`).innerText.trim() !== before",
        arg=[paper.id("hint"), whole],
    )
    assert len(paper.hint()) > len(whole)
    paper.set(factor="1", deep_factor="1", start=0)
    assert "→" not in paper.hint_with("1024×1024", lines=1)
    paper.set(start=0.5, end=0.5)
    paper.hint_with("Start and End")


def test_the_hint_follows_the_preset(paper: Tab) -> None:
    paper.set(width=1024, height=1024)
    told = {}
    for name in ("paper", "balanced", "fast"):
        paper.set(preset=name)
        factor = {"paper": 2, "balanced": 3, "fast": 4}[name]
        told[name] = paper.hint_with(f"tokens (by {factor})")
    assert len(set(told.values())) == 3


def test_the_hint_follows_img2img_and_its_resize_by(ui: WebUi) -> None:
    tab = prepare(ui.show("img2img"))
    tab.set(preset="paper")
    tab.set(threshold=8, width=256, height=128)
    tab.hint_with("256×128: 32×16 → 11×6 tokens (by 3)")
    tab.page.click("#img2img_res_switch_btn")
    tab.hint_with("128×256: 16×32 → 6×11 tokens (by 3)")
    upload(tab, 128, 192)
    tab.page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    tab.ui.fill("img2img_scale", 2)
    tab.hint_with("256×384: 32×48")
    tab.ui.fill("img2img_scale", 3)
    tab.hint_with("384×576: 48×72")
    tab.page.click('#tab_img2img .tab-nav button:has-text("Resize to")')
    tab.hint_with("128×256: 16×32")


def test_the_hint_follows_the_checkpoint(paper: Tab, page_host: Host) -> None:
    """SDXL has no layers of the latent's own size."""
    paper.set(width=1024, height=1024)
    paper.hint_with("128×128 → 64×64")
    page_host.use("tinyxl_a")
    try:
        assert "→" not in paper.hint_with("nothing changes", lines=1)
        paper.set(width=2048, height=2048)
        paper.hint_with("2048×2048: 128×128 → 64×64")
    finally:
        page_host.use("tiny15_a")
    paper.hint_with("2048×2048: 256×256 → 64×64 tokens (by 4)")


def test_the_hint_follows_the_hires_checkpoint_and_the_refiner(paper: Tab) -> None:
    """By their files: they are not loaded before they are needed."""
    ui = paper.ui
    paper.set(width=1024, height=1024)
    paper.unfold("hr")
    paper.switch("hr", True)
    paper.set(hr_scale=2, hr_resize_x=0, hr_resize_y=0)
    paper.hint_with("2048×2048: 256×256 → 64×64 tokens (by 4)", lines=3)
    ui.page.evaluate(
        "id => document.getElementById(id).closest('.hide')?.classList.remove('hide')",
        "hr_checkpoint",
    )
    _choose_like(paper, "hr_checkpoint", "tinyxl_a")
    paper.hint_with("2048×2048: 128×128 → 64×64", lines=3)
    _choose_like(paper, "hr_checkpoint", "Use same")
    paper.switch("hr", False)
    paper.unfold("enable")
    paper.switch("enable", True)
    _choose_like(paper, "txt2img_checkpoint", "tinyxl_a")
    paper.hint_with("from 0.8 of its steps on", lines=3)
    paper.switch("enable", False)
    paper.hint_with("128×128 → 64×64", lines=2)


def _choose_like(tab: Tab, elem_id: str, start: str) -> None:
    """Pick the option that begins so; its hash is not known here."""
    tab.page.locator(f"#{elem_id} input").first.click()
    tab.page.locator(f'#{elem_id} ul.options li[aria-label^="{start}"]').first.click()
