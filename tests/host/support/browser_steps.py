"""What the tests of several hosts' pages do and expect there.

Every image is 128×128 unless a test says otherwise, and the threshold 8: a grid of 16×16 tokens
that a factor of 2 makes 8×8. Screenshots go to artifacts/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from expect import parameters, picture
from host import REPOSITORY
from page import WebUi
from tab import Tab

ARTIFACTS = REPOSITORY / "artifacts"
WIDE = {"width": 1300, "height": 1500}
NARROW = {"width": 480, "height": 1500}
DEFAULTS: dict[str, Any] = {
    "enabled": False,
    "factor": 0,
    "deep_factor": 0,
    "threshold": 64,
    "method": "nearest",
    "start": 0,
    "end": 1,
    "passes": "both",
}
# Another value for each, and what the infotext then says; the step window is told as one.
MOVED: dict[str, Any] = {
    "factor": 1.5,
    "deep_factor": 3,
    "threshold": 7,
    "method": "average",
    "start": 0.25,
    "end": 0.75,
    "passes": "first",
}
MOVED_TEXT = {
    "ToDo factor": "1.5",
    "ToDo deep factor": "3",
    "ToDo threshold": "7",
    "ToDo method": "average",
    "ToDo steps": "0.25-0.75",
    "ToDo pass": "first",
}
POOLED = "ToDo: 256 → 64 keys in 5 of 16 self-attention layers, 2 of 2 steps"
POOLED_IN_HIRES = (
    "ToDo: 256 → 16 keys in 5, 64 → 16 keys in 10 of 16 self-attention layers, 4 of 4 steps"
)
# Values that are refused, what the hint says of them, and what the error says.
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"factor": 0.5},
        "A factor must be 0 (automatic) or at least 1",
        "ToDo: factor = 0.5 is not allowed; factor must be 0 (automatic) or a number from 1 to 8",
    ),
    (
        {"start": 0.8, "end": 0.2},
        "The start must be no greater than the end",
        "ToDo: start = 0.8 is not allowed; start must be no greater than end (0.2)",
    ),
]
MARKUP = '<img src="x" onerror="window.todoMarkup = 1"><b id="todo-markup">bold</b>'


def prepare(tab: Tab) -> Tab:
    if tab.name == "txt2img":
        tab.switch("hr", False)
    else:
        tab.page.click('#img2img_tabs_resize button:has-text("Resize to")')
    tab.unfold("enabled")
    tab.switch("enabled", False)
    tab.set(width=128, height=128, steps=2, prompt="a cat")
    tab.set(**{name: value for name, value in DEFAULTS.items() if name != "enabled"})
    return tab


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


def upload(tab: Tab, width: int, height: int) -> None:
    """Give img2img a picture of that size."""
    file = {"name": "picture.png", "mimeType": "image/png", "buffer": picture(width, height)}
    tab.page.set_input_files("#img2img_image input[type=file]", file)
    tab.page.wait_for_selector("#img2img_image img")


def move_and_paste_back(ticked: Tab) -> None:
    """Move every control, generate, move all back, and paste what was written."""
    ticked.set(**MOVED)
    assert ticked.values() == MOVED | {"enabled": True}
    written = ticked.generate()
    assert (written.error, written.images) == ("", 1)
    assert parameters(written.infotext) == MOVED_TEXT
    ticked.set(**{name: DEFAULTS[name] for name in MOVED})
    ticked.switch("enabled", False)
    ticked.paste(written.infotext)
    assert ticked.values() == MOVED | {"enabled": True}


def small_hires(tab: Tab) -> None:
    tab.unfold("hr")
    tab.switch("hr", True)
    tab.set(width=64, height=64, threshold=4, hr_scale=2, hr_resize_x=0, hr_resize_y=0)
