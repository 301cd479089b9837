"""SD.Next's page in chromium: accordion, hint, line, refusal, paste, in each of its tabs.

Images are 128×128 by the preset `paper` with the threshold 8: 16×16 tokens that become 8×8.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import CLEAN
from sdnext_host import SdNextHost

pytest.importorskip("playwright", reason="playwright is not installed")

from browser_steps import DEFAULTS, POOLED, REFUSED, WIDE, screenshot, tick
from page import chromium, launched
from sdnext_page import NAMES, SdNextTab, SdNextUi
from todo_report import numbers

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium on the path")


@pytest.fixture(scope="module")
def ui(shared_sdnext: SdNextHost) -> Iterator[SdNextUi]:
    with launched() as browser:
        ui = SdNextUi(browser.new_page(viewport=WIDE), shared_sdnext.url)
        ui.load()
        yield ui
        assert [stack for stack in ui.stacks if "todo.js" in stack] == []


@pytest.fixture
def tab(ui: SdNextUi, sdnext: SdNextHost) -> SdNextTab:
    """The Text tab, with the accordion open and unticked."""
    tab = ui.show("txt2img")
    tab.prepare()
    return tab


@pytest.mark.parametrize("name", NAMES)
def test_the_accordion_is_in_each_tab_and_opens_unticked(ui: SdNextUi, name: str) -> None:
    tab = ui.show(name)
    tab.accordion.wait_for(state="visible")
    tab.unfold("enabled")
    tab.unfold("advanced")
    assert tab.values() == DEFAULTS
    tab.switch("enabled", True)
    assert tab.values() == DEFAULTS | {"enabled": True}
    tab.switch("enabled", False)
    assert tab.values() == DEFAULTS


def test_unticked_it_does_nothing(tab: SdNextTab, sdnext: SdNextHost) -> None:
    assert "ToDo" not in tab.generated()
    seen = sdnext.probe_counts()["rows"]
    assert {(row["height"], row["keys"]) for row in seen} == {(n, n * n) for n in (2, 4, 8, 16)}


def test_ticked_it_pools_and_says_so(tab: SdNextTab, sdnext: SdNextHost) -> None:
    tick(tab)
    tab.hint_with("128×128: 16×16 → 8×8 tokens (by 2)")
    line = tab.generated()
    assert numbers(line) == POOLED
    tab.page.screenshot(path=screenshot("sdnext"), full_page=True)
    seen = sdnext.probe_counts()["rows"]
    assert {(row["queries"], row["keys"]) for row in seen if row["height"] == 16} == {(256, 64)}
    assert sdnext.probe_leftovers() == CLEAN


def test_bad_values_are_told_and_make_no_image(tab: SdNextTab, sdnext: SdNextHost) -> None:
    """Where the image would be, the host shows the first error since it started, over and over."""
    tick(tab)
    for values, named in REFUSED[:3]:
        tab.set(**values)
        tab.hint_with(named)
        with tab.ui.settled():
            tab.page.click("#txt2img_generate")
        tab.page.wait_for_selector(f"#html_log_txt2img >> text={REFUSED[0][1]}")
        tab.set(preset="balanced")
    assert sdnext.probe_counts()["unet_calls"] == 0


def test_paste(tab: SdNextTab) -> None:
    tail = "\nSteps: 2, Size: 128x128, Seed: 1"
    tab.paste(f"a dog{tail}, ToDo preset: custom, ToDo factor: 3, ToDo steps: 0.25-0.75")
    values = {"enabled": True, "factor": "3", "start": 0.25, "end": 0.75}
    assert tab.values() == DEFAULTS | values
    tab.paste(f"a dog{tail}")
    assert tab.values()["enabled"] is False


def test_a_text_that_cannot_be_used_does_not_end_the_paste(tab: SdNextTab) -> None:
    tick(tab)
    before = tab.values()
    tab.paste("a dog\nSteps: 3, Size: 128x128, Seed: 1, ToDo factor: 99")
    assert tab.page.input_value("#txt2img_steps input[type=number]") == "3"
    assert tab.values() == before


def test_the_hint_follows_the_second_pass(tab: SdNextTab) -> None:
    page = tab.page
    tab.set(width=512, height=512)
    assert "→" not in tab.hint_with("512×512", lines=1)
    tab.unfold("refine_accordion")
    page.set_checked("#txt2img_enable_hr input", True)
    page.set_checked("#txt2img_hr_force input", True)
    tab.ui.choose("txt2img_resize_name", "Latent Nearest")
    tab.ui.fill("txt2img_scale", 2)
    tab.hint_with("Hires pass, 1024×1024: 128×128", lines=3)
    page.set_checked("#txt2img_hr_force input", False)
    page.set_checked("#txt2img_enable_hr input", False)
    assert "→" not in tab.hint_with("512×512", lines=1)


def test_the_control_tab_generates_and_tells(ui: SdNextUi, sdnext: SdNextHost) -> None:
    tab = ui.show("control")
    tab.unfold("enabled")
    tab.unfold("advanced")
    tab.unfold("size")
    tab.unfold("sampler")
    for side in ("width", "height"):
        ui.fill(f"control_before_resize_{side}", 128)
    tab.set(steps=2, prompt="a cat")
    tick(tab)
    tab.hint_with("128×128: 16×16 → 8×8 tokens (by 2)")
    tab.generated()
    assert numbers(ui.page.inner_text("#control-result")) == POOLED
    ui.page.screenshot(path=screenshot("sdnext-control"), full_page=True)
    seen = sdnext.probe_counts()["rows"]
    assert {(row["queries"], row["keys"]) for row in seen if row["height"] == 16} == {(256, 64)}


def test_the_control_tab_makes_no_image_of_bad_values(ui: SdNextUi, sdnext: SdNextHost) -> None:
    """The host shows no error there: the hint has said it, and the log, a part of the page."""
    tab = ui.show("control")
    tab.unfold("enabled")
    tab.unfold("advanced")
    tick(tab)
    for values, named in REFUSED[:3]:
        before = len(sdnext.log())
        tab.set(**values)
        tab.hint_with(named)
        with ui.settled():
            ui.page.click("#control_generate")
        assert named in sdnext.log()[before:]
        tab.set(preset="balanced")
    assert sdnext.probe_counts()["unet_calls"] == 0
