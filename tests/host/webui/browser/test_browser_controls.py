"""The page in a real browser: tick, choose a preset, change controls, generate, refusals."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser_steps import (
    DEFAULTS,
    PAPER,
    POOLED,
    REFUSED,
    contrast,
    move_and_paste_back,
    screenshot,
    tick,
)
from expect import PAPER_TEXT, Pass, Pooling, check, parameters
from host import Host
from page import WebUi
from tab import Tab
from todo_report import numbers, reasons

VERSIONS = r"\d+\.\d+\.\d+"


def test_the_defaults_are_shown_and_the_box_is_free(ui: WebUi) -> None:
    for name in ("txt2img", "img2img"):
        tab = ui.show(name)
        assert (tab.values(), tab.preset) == (DEFAULTS, "balanced"), name


def test_the_head_opens_without_ticking_and_ticking_opens(dark_ui: WebUi, page_host: Host) -> None:
    """Also readable in the dark theme; the version stands in the head."""
    tab = dark_ui.show("txt2img")
    head = tab.accordion.locator(".label-wrap").first
    assert re.search(VERSIONS, head.inner_text())
    head.click()
    tab.page.wait_for_selector(f"#{tab.id('preset')}")
    tab.page.wait_for_timeout(300)
    assert tab.values()["enabled"] is False
    head.click()
    tab.page.wait_for_selector(f"#{tab.id('preset')}", state="hidden")
    tab.switch("enabled", True)
    tab.page.wait_for_selector(f"#{tab.id('preset')}")
    assert tab.values()["enabled"] is True
    tab.unfold("advanced")
    tick(tab)
    tab.set(width=128, height=128, steps=2, prompt="a cat")
    assert numbers(tab.generate().line) == POOLED
    tab.hint_with("16×16 → 8×8 tokens (by 2)")
    assert contrast(tab, f"#{tab.id('hint')} .todo-hint") >= 4.5
    tab.page.screenshot(path=screenshot("dark"), full_page=True)


def test_a_preset_fills_advanced_and_a_change_there_is_custom(tab: Tab) -> None:
    tab.set(end=0.5, preset="paper")
    assert tab.values() == PAPER
    tab.set(preset="fast")
    fast = {"threshold": 32, "scale": 1, "deep_scale": "0.5"}
    assert tab.values() == DEFAULTS | fast
    for name, value in ({"factor": "2"} | {"end": 0.9}).items():
        with tab.ui.settled():
            tab.set(**{name: value})
        assert tab.preset == "custom"
        with tab.ui.settled():
            tab.set(**{name: DEFAULTS[name]})
        assert tab.preset == "fast"
    tab.set(preset="custom")
    assert tab.values() == DEFAULTS | fast
    tab.set(preset="balanced")
    assert tab.values() == DEFAULTS


def test_the_box_alone_leaves_small_images_as_they_were(tab: Tab, page_host: Host) -> None:
    tab.switch("enabled", True)
    outcome = tab.generate()
    (told,) = outcome.told
    assert reasons(told) == {"below_threshold": 16}
    assert "128×128" in outcome.line
    assert (outcome.images, parameters(outcome.infotext)) == (
        1,
        {"ToDo preset": "balanced", "ToDo factor": "automatic"},
    )
    check(page_host, "tiny15", first=Pass(128, 128, 2, None))


def test_unticked_nothing_is_said(tab: Tab, page_host: Host) -> None:
    tab.set(threshold=8)
    outcome = tab.generate()
    assert (outcome.line, outcome.error, outcome.images) == ("", "", 1)
    assert parameters(outcome.infotext) == {}
    check(page_host, "tiny15", first=Pass(128, 128, 2, None))


def test_ticked_it_pools_and_says_so(ticked: Tab, page_host: Host) -> None:
    outcome = ticked.generate()
    assert numbers(outcome.line) == POOLED
    own = {"ToDo factor": "automatic", "ToDo threshold": "8"}
    assert parameters(outcome.infotext) == PAPER_TEXT | own
    check(page_host, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))
    ticked.page.screenshot(path=screenshot("light"), full_page=True)


def test_every_control_reaches_the_infotext_and_comes_back_by_paste(ticked: Tab) -> None:
    move_and_paste_back(ticked)
    assert ticked.page.input_value("#txt2img_prompt textarea") == "a cat"
    assert ticked.preset == "custom"


def test_a_factor_is_picked_by_the_keyboard(ticked: Tab) -> None:
    field = ticked.page.locator(f"#{ticked.id('factor')} input")
    with ticked.ui.settled():
        field.click()
        field.press("ArrowDown")
        field.press("Enter")
    chosen = ticked.values()["factor"]
    assert float(chosen) >= 1
    assert parameters(ticked.generate().infotext)["ToDo factor"] == chosen


def test_a_machine_that_was_measured_gives_one_figure(tab: Tab) -> None:
    tab.set(width=1024, height=1024)
    # ranges, of the pass and of each preset
    assert " to " in tab.hint_with("128×128")
    with tab.ui.settled():
        tab.page.click(f"#{tab.id('measure')}")
    tab.page.wait_for_function(
        "id => !document.querySelector(`#${id} .todo-hint`).innerText.includes(' to ')",
        arg=tab.id("hint"),
    )
    assert "again (last on 20" in tab.page.inner_text(f"#{tab.id('measure')}")


@pytest.mark.parametrize(("values", "named"), REFUSED, ids=str)
def test_a_bad_value_is_told_where_the_image_would_be(
    ticked: Tab, page_host: Host, values: dict[str, Any], named: str
) -> None:
    ticked.set(**values)
    ticked.hint_with(named)
    refused = ticked.generate()
    assert named in refused.error
    assert (refused.images, refused.infotext) == (0, "")
    assert page_host.probe_counts()["unet_calls"] == 0

    tick(ticked)
    ticked.set(start=0, end=1)
    again = ticked.generate()
    assert (numbers(again.line), again.error, again.images) == (POOLED, "", 1)
