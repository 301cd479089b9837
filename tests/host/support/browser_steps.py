"""Steps and expectations that the browser tests of several hosts share.

Every image is 128×128 unless a test says otherwise, by the preset `paper` with the threshold 8: a
grid of 16×16 tokens that a factor of 2 makes 8×8. Screenshots go to artifacts/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from host import REPOSITORY
from page import WebUi
from playwright.sync_api import Browser
from tab import Tab

WIDE = {"width": 1300, "height": 1500}
# what the controls show: the preset balanced
DEFAULTS: dict[str, Any] = {
    "enabled": False,
    "factor": "automatic",
    "deep_factor": "automatic",
    "threshold": 64,
    "scale": 1.5,
    "deep_scale": "1",
    "method": "nearest",
    "phase": "moving",
    "start": 0,
    "end": 1,
    "passes": "both",
    "above": 1,
}
# Another value for each, and what the infotext then says; the step window is told as one.
MOVED: dict[str, Any] = {
    "factor": "1.5",
    "deep_factor": "3",
    "threshold": 7,
    "scale": 2.5,
    "deep_scale": "0.5",
    "method": "average",
    "phase": "fixed",
    "start": 0.25,
    "end": 0.75,
    "passes": "first",
    "above": 0.5,
}
MOVED_TEXT = {
    "ToDo preset": "custom",
    "ToDo factor": "1.5",
    "ToDo scale": "2.5",
    "ToDo deep scale": "0.5",
    "ToDo phase": "fixed",
    "ToDo deep factor": "3",
    "ToDo threshold": "7",
    "ToDo method": "average",
    "ToDo start": "0.25",
    "ToDo end": "0.75",
    "ToDo passes": "first",
    "ToDo above": "0.5",
}
# the numbers of the line under the image
POOLED = ({(256, 64)}, (2, 2))
# Values that are refused, and what both the hint and the error name.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"factor": "0.5"}, "factor = 0.5"),
    ({"factor": "many"}, "factor = 'many'"),
    ({"threshold": 16.5}, "threshold = 16.5"),
    ({"threshold": ""}, "threshold = None"),
    ({"start": 0.8, "end": 0.2}, "start = 0.8"),
]


def open_page(browser: Browser, url: str, query: str = "") -> WebUi:
    """The WebUI's page, loaded in a wide window."""
    ui = WebUi(browser.new_page(viewport=WIDE, device_scale_factor=2), url)
    ui.load(query)
    return ui


def prepare(tab: Tab) -> Tab:
    if tab.name == "txt2img":
        tab.switch("hr", False)
    else:
        tab.page.click('#tab_img2img .tab-nav button:has-text("Resize to")')
    tab.unfold("enabled")
    tab.unfold("advanced")
    tab.set(width=128, height=128, steps=2, prompt="a cat", preset="balanced")
    tab.set(**{name: value for name, value in DEFAULTS.items() if name != "enabled"})
    tab.switch("enabled", False)
    return tab


def tick(tab: Tab) -> None:
    """ToDo on, by the paper's rule, with a threshold that a small image is above."""
    tab.switch("enabled", True)
    tab.set(preset="paper")
    tab.set(threshold=8)


def screenshot(name: str) -> Path:
    folder = REPOSITORY / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.png"
