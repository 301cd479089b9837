"""Config-Presets, which fills fields by their ids: it has to be told those of ToDo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_steps import DEFAULTS, MOVED, MOVED_TEXT, open_page, prepare
from expect import parameters
from host import REPOSITORY, Host, HostFactory
from host_with_others import CONFIG_PRESETS, checkout, needs
from page import WebUi
from playwright.sync_api import Browser
from tab import Tab

pytestmark = needs(CONFIG_PRESETS)

# as in docs/compatibility.md
TRACKED = (
    *("enabled-checkbox", "preset", "factor", "deep_factor", "threshold", "scale", "deep_scale"),
    *("method", "phase", "start", "end", "passes"),
)


@pytest.fixture(scope="module")
def presets_host(
    start_host: HostFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """A host with a copy of it, since it writes into its own folder."""
    folder = tmp_path_factory.mktemp("presets") / CONFIG_PRESETS
    shutil.copytree(checkout(CONFIG_PRESETS) or "", folder, ignore=lambda *_: [".git"])
    for tab in ("txt2img", "img2img"):
        ids = "\n".join(f"script_{tab}_todo_{name}" for name in TRACKED)
        (folder / f"config-{tab}-custom-tracked-components.txt").write_text(ids)
    host = start_host(with_ui=True, extensions=(REPOSITORY, folder))
    yield host
    host.stop()


@pytest.fixture(scope="module")
def presets_ui(browser: Browser, presets_host: Host) -> WebUi:
    return open_page(browser, presets_host.url)


def save(tab: Tab, name: str) -> None:
    wrapper = f"#config_preset_wrapper_{tab.name}"
    page, ui = tab.page, tab.ui
    if not page.locator(f"{wrapper} #script_config_preset_save_textbox").is_visible():
        with ui.settled():
            page.click(f"{wrapper} #script_config_preset_add_button")
    page.fill(f"{wrapper} #script_config_preset_save_textbox input", name)
    with ui.settled():
        page.click(f"{wrapper} #script_config_preset_save_button")


def choose(tab: Tab, name: str) -> None:
    with tab.ui.settled():
        tab.ui.choose(f"config_preset_{tab.name}_dropdown", name)


@pytest.mark.parametrize("name", ["txt2img", "img2img"])
def test_what_it_saves_it_brings_back(presets_ui: WebUi, presets_host: Host, name: str) -> None:
    tab = prepare(presets_ui.show(name))
    save(tab, "plain")
    tab.switch("enabled", True)
    tab.set(**MOVED)
    save(tab, "moved")
    choose(tab, "plain")
    assert (tab.values(), tab.preset) == (DEFAULTS, "balanced")
    choose(tab, "moved")
    assert (tab.values(), tab.preset) == (MOVED | {"enabled": True}, "custom")
    choose(tab, "plain")
    tab.set(preset="fast")
    tab.switch("enabled", True)
    save(tab, "fast")
    choose(tab, "moved")
    choose(tab, "fast")
    assert (tab.values()["threshold"], tab.preset) == (32, "fast")
    assert "Traceback" not in presets_host.log().split("Startup time", 1)[1]
    assert [stack for stack in presets_ui.stacks if "todo.js" in stack] == []


def test_what_it_brings_back_is_used(presets_ui: WebUi, presets_host: Host) -> None:
    tab = presets_ui.show("txt2img")
    choose(tab, "moved")
    tab.hint_with("128×128")
    made = tab.generate()
    assert (made.error, parameters(made.infotext)) == ("", MOVED_TEXT)
    choose(tab, "plain")
    assert parameters(tab.generate().infotext) == {}
    saved: Path = presets_host.data / "extensions" / CONFIG_PRESETS / "config-txt2img.json"
    assert json.loads(saved.read_text())["moved"]["script_txt2img_todo_threshold"] == 7
