"""The page in a real browser: the hint follows every field that it tells of."""

from __future__ import annotations

from browser_steps import (
    prepare,
    upload,
)
from page import WebUi
from tab import Tab


def test_the_hint_follows_width_height_and_the_swap(tab: Tab) -> None:
    tab.set(width=1024, height=768)
    wide = tab.hint_with("SD 1.x, 2.x at 1024×768: 128×96 → 64×48 tokens (by 2)")
    assert "SDXL at 1024×768: nothing to pool, no layer has more than 64×64 tokens" in wide
    tab.page.click("#txt2img_res_switch_btn")
    tab.hint_with("SD 1.x, 2.x at 768×1024: 96×128 → 48×64 tokens (by 2)")
    tab.set(width=512, height=512)
    tab.hint_with("SD 1.x, 2.x at 512×512: nothing to pool, no layer has more than 64×64 tokens")


def test_the_hint_follows_hires_fix(tab: Tab) -> None:
    tab.set(width=512, height=512)
    tab.hint_with("SD 1.x, 2.x at 512×512", lines=2)
    tab.unfold("hr")
    tab.switch("hr", True)
    tab.set(hr_scale=2, hr_resize_x=0, hr_resize_y=0)
    tab.hint_with("SD 1.x, 2.x at 1024×1024: 128×128 → 64×64 tokens (by 2)", lines=4)
    tab.set(hr_scale=3)
    tab.hint_with("SD 1.x, 2.x at 1536×1536: 192×192 → 64×64 tokens (by 3)")
    tab.set(hr_resize_x=1280)
    tab.hint_with("SD 1.x, 2.x at 1280×1280: 160×160")
    tab.set(hr_resize_y=768)
    tab.hint_with("SD 1.x, 2.x at 1280×768: 160×96")
    tab.set(hr_resize_x=0, hr_resize_y=0, hr_scale=2, passes="hires")
    # the size stood there before; what changes is that the first pass is not told any more
    tab.hint_with("SD 1.x, 2.x at 1024×1024", lines=2)
    tab.switch("hr", False)
    tab.hint_with("Nothing is pooled: hires fix is off, and only its pass is chosen")


def test_the_hint_follows_every_setting(tab: Tab) -> None:
    tab.set(width=1024, height=1024)
    tab.hint_with("128×128 → 64×64 tokens (by 2)")
    tab.set(factor=4)
    tab.hint_with("128×128 → 32×32 tokens (by 4)")
    tab.set(threshold=32)
    tab.hint_with("64×64 → 32×32 tokens (by 2)")
    tab.set(deep_factor=8)
    tab.hint_with("64×64 → 8×8 tokens (by 8)")
    tab.set(factor=1, deep_factor=1)
    tab.hint_with("SD 1.x, 2.x at 1024×1024: nothing is pooled by a factor of 1")
    tab.set(start=0.5, end=0.5)
    tab.hint_with("Nothing is pooled: the start is the end")


def test_the_hint_follows_img2img_and_its_resize_by(ui: WebUi) -> None:
    tab = prepare(ui.show("img2img"))
    tab.set(threshold=8, width=256, height=128)
    tab.hint_with("SD 1.x, 2.x at 256×128: 32×16 → 11×6 tokens (by 3)")
    tab.page.click("#img2img_res_switch_btn")
    tab.hint_with("SD 1.x, 2.x at 128×256: 16×32 → 6×11 tokens (by 3)")
    upload(tab, 128, 192)
    tab.page.click('#img2img_tabs_resize button:has-text("Resize by")')
    tab.set(scale=2)
    tab.hint_with("SD 1.x, 2.x at 256×384: 32×48")
    tab.set(scale=3)
    tab.hint_with("SD 1.x, 2.x at 384×576: 48×72")
    tab.page.click('#img2img_tabs_resize button:has-text("Resize to")')
    tab.hint_with("SD 1.x, 2.x at 128×256: 16×32")
