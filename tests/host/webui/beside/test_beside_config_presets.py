"""Config-Presets, which fills fields by their ids: it has to be told those of ToDo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from browser_steps import DEFAULTS, MOVED, MOVED_TEXT, open_page, prepare
from expect import parameters
from host import REPOSITORY, HostFactory
from neighbours import CONFIG_PRESETS, checkout, needs
from page import WebUi, launched
from tab import Tab

pytestmark = needs(CONFIG_PRESETS)
# as in docs/compatibility.md
TRACKED = (
    *("enabled-checkbox", "preset", "factor", "deep_factor", "threshold", "scale", "deep_scale"),
    *("method", "phase", "start", "end", "passes", "above"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it, since it writes into its own folder."""
    folder = tmp_path_factory.mktemp("presets") / CONFIG_PRESETS
    shutil.copytree(checkout(CONFIG_PRESETS) or "", folder)
    for tab in ("txt2img", "img2img"):
        ids = "\n".join(f"script_{tab}_todo_{name}" for name in TRACKED)
        (folder / f"config-{tab}-custom-tracked-components.txt").write_text(ids)
    return folder


@pytest.fixture(scope="module")
def presets_ui(new_host: HostFactory, folder: Path) -> Iterator[WebUi]:
    with new_host(extensions=(REPOSITORY, folder)) as host, launched() as browser:
        ui = open_page(browser, host.url)
        yield ui
        assert "Traceback" not in host.log().split("Startup time", 1)[1]
        assert [stack for stack in ui.stacks if "todo.js" in stack] == []


def save(tab: Tab, name: str) -> None:
    wrapper = f"#config_preset_wrapper_{tab.name}"
    box = f"{wrapper} #script_config_preset_save_textbox"
    if not tab.page.locator(box).is_visible():
        with tab.ui.settled():
            tab.page.click(f"{wrapper} #script_config_preset_add_button")
    tab.page.fill(f"{box} input", name)
    with tab.ui.settled():
        tab.page.click(f"{wrapper} #script_config_preset_save_button")


def choose(tab: Tab, name: str) -> None:
    with tab.ui.settled():
        tab.ui.choose(f"config_preset_{tab.name}_dropdown", name)


@pytest.mark.parametrize("name", ["txt2img", "img2img"])
def test_what_it_saves_it_brings_back(presets_ui: WebUi, folder: Path, name: str) -> None:
    tab = prepare(presets_ui.show(name))
    save(tab, "plain")
    tab.switch("enabled", True)
    tab.set(**MOVED)
    save(tab, "moved")
    choose(tab, "plain")
    assert (tab.values(), tab.preset) == (DEFAULTS, "balanced")
    choose(tab, "moved")
    assert (tab.values(), tab.preset) == (MOVED | {"enabled": True}, "custom")
    saved = json.loads((folder / f"config-{name}.json").read_text())["moved"]
    assert saved[f"script_{name}_todo_threshold"] == 7
    if name == "txt2img":
        tab.hint_with("128×128")
        made = tab.generate()
        assert (made.error, parameters(made.infotext)) == ("", MOVED_TEXT)
        choose(tab, "plain")
        assert parameters(tab.generate().infotext) == {}
