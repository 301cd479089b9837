"""The page in a real browser: narrow windows, the accordion's parts, reloads."""

from __future__ import annotations

import pytest
from browser_steps import (
    DEFAULTS,
    NARROW,
    POOLED,
    WIDE,
    contrast,
    misplaced,
    prepare,
    screenshot,
    tick,
)
from expect import CLEAN, Pass, Pooling, check
from host import Host
from requests_shared import AXES
from tab import Tab
from todo_report import numbers

BY_TWO = "1024×1024: 128×128 → 64×64 tokens (by 2)"


def test_a_narrow_window_shows_every_control(ticked: Tab) -> None:
    ticked.set(width=1024, height=1024)
    ticked.hint_with("1024×1024")
    ticked.page.set_viewport_size(NARROW)
    try:
        ticked.accordion.scroll_into_view_if_needed()
        assert misplaced(ticked) == []
        ticked.page.screenshot(path=screenshot("narrow"), full_page=True)
    finally:
        ticked.page.set_viewport_size(WIDE)


def test_the_accordion_is_readable_in_the_light_theme(tab: Tab) -> None:
    tab.switch("enabled", True)
    tab.set(width=1024, height=1024, preset="paper")
    tab.hint_with(BY_TWO)
    assert contrast(tab, f"#{tab.id('hint')} .todo-hint") >= 4.5
    tab.ui.fine_picture(tab.accordion, screenshot("accordion"))


@pytest.mark.parametrize(
    "gone, hint",
    [
        ("txt2img_width", ""),
        ("script_txt2img_todo_factor", ""),
        ("script_txt2img_todo_passes", ""),
        ("txt2img_hr_scale", "1024×1032"),
        ("txt2img_checkpoint", "1024×1032"),
        ("hr_checkpoint", "1024×1032"),
        ("script_txt2img_todo_hint", None),
    ],
)
def test_a_missing_element_leaves_the_page_whole(tab: Tab, gone: str, hint: str | None) -> None:
    page = tab.page
    tab.set(width=1024, height=1024, preset="paper")
    tab.hint_with(BY_TWO)
    page.evaluate(
        """id => {
            const element = document.getElementById(id);
            window.todoGone = {element, before: element.nextSibling, parent: element.parentNode};
            element.remove();
        }""",
        gone,
    )
    try:
        tab.set(height=1032)
        page.wait_for_timeout(1200)  # two rounds of the hint's own clock
        if hint is not None:
            assert tab.hint().startswith(hint) and bool(tab.hint()) == bool(hint)
        assert [stack for stack in tab.ui.stacks if "todo.js" in stack] == []
    finally:
        page.evaluate("() => todoGone.parent.insertBefore(todoGone.element, todoGone.before)")
    tab.set(height=1024)
    tab.hint_with(BY_TWO)


def test_reload_ui_and_generate_again(ticked: Tab, page_host: Host) -> None:
    assert numbers(ticked.generate().line) == POOLED
    ui = ticked.ui
    ui.reload_from_footer(page_host)
    assert ui.page.locator('[id="script_txt2img_todo_enabled-visible-checkbox"]').count() == 1
    axes = ui.page.evaluate(
        """() => gradio_config.components
            .filter((part) => (part.props.elem_id || "").endsWith("_xyz_plot_x_type"))
            .map((part) => part.props.choices.flat().filter((label) => label.startsWith("[ToDo] ")))
        """
    )
    assert axes == [[f"[ToDo] {name}" for name in AXES]] * 2
    assert page_host.probe_leftovers() == CLEAN
    tab = ui.show("txt2img")
    assert (tab.values(), tab.preset) == (DEFAULTS, "balanced")
    tick(prepare(tab))
    page_host.probe_reset()
    assert numbers(tab.generate().line) == POOLED
    check(page_host, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))
