"""The page in a real browser: tick, move, generate, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from browser_steps import (
    DEFAULTS,
    POOLED,
    REFUSED,
    contrast,
    move_and_paste_back,
    screenshot,
)
from expect import Pass, Pooling, check, parameters
from host import Host
from page import WebUi
from tab import Tab


def test_the_defaults_are_shown_and_the_box_is_free(ui: WebUi) -> None:
    for name in ("txt2img", "img2img"):
        assert ui.show(name).values() == DEFAULTS, name


def test_a_click_on_the_head_opens_and_ticks_and_the_dark_theme_is_readable(
    dark_ui: WebUi, page_host: Host
) -> None:
    tab = dark_ui.show("txt2img")
    tab.accordion.locator(".label-wrap").click()
    tab.page.wait_for_function(
        "id => document.getElementById(id).checked",
        arg=f"{tab.id('enabled')}-visible-checkbox",
    )
    assert tab.values()["enabled"] is True
    assert tab.page.is_visible(f"#{tab.id('threshold')}")
    tab.set(width=128, height=128, steps=2, prompt="a cat", threshold=8)
    assert tab.generate().line == POOLED
    tab.hint_with("SD 1.x, 2.x at 128×128: 16×16 → 8×8 tokens (by 2)")
    assert contrast(tab, f"#{tab.id('hint')} .todo-hint") >= 4.5
    tab.page.screenshot(path=screenshot("dark"), full_page=True)


def test_the_box_alone_leaves_small_images_as_they_were(tab: Tab, page_host: Host) -> None:
    tab.switch("enabled", True)
    outcome = tab.generate()
    assert outcome.line == (
        "ToDo: nothing was pooled: no layer has more than 64×64 tokens at 128×128"
    )
    assert (outcome.images, parameters(outcome.infotext)) == (1, {})
    check(page_host, "tiny15", first=Pass(128, 128, 2, None))


def test_unticked_nothing_is_said(tab: Tab, page_host: Host) -> None:
    tab.set(threshold=8)
    outcome = tab.generate()
    assert (outcome.line, outcome.error, outcome.images) == ("", "", 1)
    assert parameters(outcome.infotext) == {}
    check(page_host, "tiny15", first=Pass(128, 128, 2, None))


def test_ticked_it_pools_and_says_so(ticked: Tab, page_host: Host) -> None:
    outcome = ticked.generate()
    assert outcome.line == POOLED
    assert parameters(outcome.infotext) == {"ToDo factor": "0", "ToDo threshold": "8"}
    check(page_host, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))
    ticked.page.screenshot(path=screenshot("light"), full_page=True)


def test_every_control_reaches_the_infotext_and_comes_back_by_paste(ticked: Tab) -> None:
    move_and_paste_back(ticked)
    assert ticked.page.input_value("#txt2img_prompt textarea") == "a cat"


def test_the_sliders_are_the_number_boxes(ticked: Tab) -> None:
    slider = ticked.page.locator(f"#{ticked.id('factor')} input[type=range]")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    assert ticked.values()["factor"] == 2.5
    assert parameters(ticked.generate().infotext)["ToDo factor"] == "2.5"


@pytest.mark.parametrize("values, foretold, message", REFUSED)
def test_a_bad_value_is_told_where_the_image_would_be(
    ticked: Tab, page_host: Host, values: dict[str, Any], foretold: str, message: str
) -> None:
    ticked.set(**values)
    ticked.hint_with(foretold)
    refused = ticked.generate()
    assert refused.error == f"SettingsError: {message}"
    assert (refused.images, refused.infotext) == (0, "")
    assert page_host.probe_counts()["unet_calls"] == 0
    ticked.page.screenshot(path=screenshot("refused"), full_page=True)

    ticked.set(factor=0, threshold=8, start=0, end=1)
    again = ticked.generate()
    assert (again.line, again.error, again.images) == (POOLED, "", 1)
