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
from tab import Outcome, Tab
from told import numbers, pooled, steps

ARTIFACTS = REPOSITORY / "artifacts"
WIDE = {"width": 1300, "height": 1500}
NARROW = {"width": 480, "height": 1500}
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
BY_THRESHOLD = "by the threshold, as in the paper"
PAPER = DEFAULTS | {"scale": 1, "deep_scale": BY_THRESHOLD, "phase": "fixed"}
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
    "ToDo steps": "0.25-0.75",
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
MARKUP = '<img src="x" onerror="window.todoMarkup = 1"><b id="todo-markup">bold</b>'


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
    # last: before 1.7 it folds the accordion, and the controls cannot be reached
    tab.switch("enabled", False)
    return tab


def tick(tab: Tab) -> None:
    """ToDo on, by the paper's rule, with a threshold that a small image is above."""
    tab.switch("enabled", True)
    tab.set(preset="paper")
    tab.set(threshold=8)


def screenshot(name: str) -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS / f"{name}.png"


def no_markup(ui: WebUi) -> bool:
    """Whether nothing of MARKUP became part of the page, and it never ran."""
    return not ui.page.evaluate(
        "Boolean(window.todoMarkup || document.getElementById('todo-markup'))"
    )


def contrast(tab: Tab, selector: str) -> float:
    """The contrast of a text with what is behind it, as WCAG counts it (4.5 is readable)."""
    return float(
        tab.page.evaluate(
            """selector => {
                const rgba = (color) => color.match(/[0-9.]+/g).map(Number);
                const luminance = (color) => rgba(color).slice(0, 3)
                    .map((c) => c / 255)
                    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
                    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
                const text = document.querySelector(selector);
                let behind = text;
                const paint = (element) => getComputedStyle(element).backgroundColor;
                while (behind.parentElement && rgba(paint(behind))[3] === 0) {
                    behind = behind.parentElement;
                }
                const pair = [luminance(getComputedStyle(text).color), luminance(paint(behind))];
                return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            }""",
            selector,
        )
    )


def cut_off(tab: Tab) -> list[str]:
    """The text and the fields of ToDo's accordion that are cut off in the present window."""
    found: list[str] = tab.accordion.evaluate(
        """accordion => {
            const {left, right} = accordion.getBoundingClientRect();
            const parts = [];
            const walker = document.createTreeWalker(accordion, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const range = document.createRange();
                range.selectNodeContents(walker.currentNode);
                if (walker.currentNode.data.trim()) parts.push(range);
            }
            parts.push(...accordion.querySelectorAll("input, textarea, select"));
            return parts
                .map((part) => [part, part.getBoundingClientRect()])
                .filter(([, box]) => box.width > 1 && box.height > 1)
                .filter(([, box]) => box.left < Math.max(left, 0) - 1
                    || box.right > Math.min(right, innerWidth) + 1)
                .map(([part]) => part.outerHTML || part.toString());
        }"""
    )
    return found


def small_hires(tab: Tab) -> None:
    tab.unfold("hr")
    tab.switch("hr", True)
    tab.set(
        width=64, height=64, threshold=4, hr_scale=2, hr_resize_x=0, hr_resize_y=0, hires_steps=0
    )


def check_small_hires(outcome: Outcome) -> None:
    """8×8 tokens in the first pass, 16×16 and 8×8 in the second, in two steps each."""
    (told,) = outcome.told
    found = {name: (pooled(counts), steps(counts)) for name, counts in told["passes"].items()}
    assert found == {
        "first": ({(64, 16): 5}, (2, 2)),
        "hires": ({(256, 16): 5, (64, 16): 5}, (2, 2)),
    }
    first, second = outcome.line.split(";")
    assert [numbers(part) for part in (first, second)] == [
        (set(counted), shown) for counted, shown in found.values()
    ]
