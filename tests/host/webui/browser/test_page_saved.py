"""The page in a real browser, with what a user saved: defaults, ranges, styles, a translation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browser_steps import DEFAULTS, open_page
from expect import parameters, picture, todo
from host import Host, HostFactory
from page import WebUi
from playwright.sync_api import Browser
from tab import Tab
from told import pooled, report_of

SAVED = {
    # other defaults, one by its own choice and one by a number
    "txt2img/Threshold/value": 8,
    "txt2img/Factor/value": "2",
    # a range that was narrowed
    "txt2img/End/maximum": 0.5,
    "txt2img/End/value": 0.5,
    # values that are not allowed
    "img2img/Threshold/value": 9999,
    "img2img/Factor/value": "99",
    "img2img/Scale/value": "many",
    "img2img/Start/value": 7,
}
TRANSLATED = {
    "Threshold": "Schwelle",
    "Preset": "Vorgabe",
    "fast": "schnell",
    "custom": "eigen",
    "nearest": "nächste",
    "average": "Mittel",
    "How much": "Wie viel",
}


@pytest.fixture(scope="module")
def saved_host(new_host: HostFactory) -> Iterator[Host]:
    """A host whose user has saved all of this."""
    host = new_host(arguments=["--localizations-dir", "{data}/localizations"])
    page = {f"customscript/todo.py/{name}": value for name, value in SAVED.items()}
    (host.data / "localizations").mkdir()
    for name, content in {
        "ui-config": page,
        "config": {"localization": "german"},
        "localizations/german": TRANSLATED,
    }.items():
        (host.data / f"{name}.json").write_text(json.dumps(content))
    with host:
        yield host


@pytest.fixture(scope="module")
def saved_ui(browser: Browser, saved_host: Host) -> WebUi:
    return open_page(browser, saved_host.url)


@pytest.fixture
def saved_tab(saved_ui: WebUi) -> Tab:
    tab = saved_ui.show("txt2img")
    tab.unfold("enabled")
    tab.unfold("advanced")
    tab.set(width=128, height=128, steps=2, prompt="a cat")
    return tab


def test_saved_defaults_are_shown_and_used_and_a_style_leaves_them(saved_tab: Tab) -> None:
    assert saved_tab.values() == DEFAULTS | {"threshold": 8, "factor": "2", "end": 0.5}
    assert saved_tab.preset == "custom"
    saved_tab.switch("enabled", True)
    saved_tab.ui.choose("txt2img_styles", "foggy")
    made = saved_tab.generate()
    found = {"ToDo threshold": "8", "ToDo factor": "2", "ToDo end": "0.5"}
    assert parameters(made.infotext).items() >= found.items() and "in fog" in made.infotext


def test_what_is_not_allowed_stops_only_who_ticks(saved_ui: WebUi, saved_host: Host) -> None:
    """A choice that is none is the default's; a number stays, and is named before and after.

    The API has defaults of its own.
    """
    tab = saved_ui.show("img2img")
    tab.unfold("enabled")
    shown = tab.values()
    assert (shown["factor"], shown["threshold"]) == ("automatic", 9999)
    tab.set(width=1024, height=1024)
    tab.hint_with("= ")
    assert "not allowed" in tab.hint()
    size = {"width": 128, "height": 128, "denoising_strength": 0.9}
    made = saved_host.img2img(picture(128, 128), **size, **todo(factor=2, threshold=8))
    assert pooled(report_of(made)) == {(256, 64): 5}


def test_a_translation_changes_words_and_no_value(saved_tab: Tab) -> None:
    page = saved_tab.page
    assert page.inner_text(f"#{saved_tab.id('threshold')} label span").strip() == "Schwelle"
    with saved_tab.ui.settled():
        page.click(f'#{saved_tab.id("preset")} label:has-text("schnell")')
    assert (saved_tab.preset, saved_tab.values()["scale"]) == ("fast", 2)
    method = f"#{saved_tab.id('method')}"
    page.locator(f"{method} input").first.click()
    with saved_tab.ui.settled():
        page.click(f'{method} ul.options li:has-text("Mittel")')
    assert (saved_tab.values()["method"], saved_tab.preset) == ("average", "custom")


def test_the_defaults_tab_keeps_what_was_changed(saved_tab: Tab, saved_host: Host) -> None:
    ui, page = saved_tab.ui, saved_tab.page
    saved_tab.set(threshold=48)
    page.click('#tabs > .tab-nav button:text("Settings")')
    page.click('#settings button:text("Defaults")')
    with ui.settled():
        page.click("#ui_defaults_apply")
    kept: dict[str, Any] = json.loads((saved_host.data / "ui-config.json").read_text())
    assert kept["customscript/todo.py/txt2img/Threshold/value"] == 48
    assert not [key for key in kept if "todo.py" in key and "Preset" in key]
    ui.reload_from_footer(saved_host)
    tab = ui.show("txt2img")
    assert (tab.values()["threshold"], tab.preset) == (48, "custom")
