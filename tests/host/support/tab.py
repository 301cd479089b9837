"""A tab of the WebUI's page, txt2img or img2img: its fields, ToDo's accordion, what it shows."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Locator
from told import generations

if TYPE_CHECKING:
    from page import WebUi

NUMBERS = ("threshold", "scale", "start", "end", "above")
WORDS = ("method", "phase", "passes")
# a word for 0, or a number that is typed
NAMED_NUMBERS = ("factor", "deep_factor", "deep_scale")
KINDS = ("lg", "small")
HINT_MS = 20_000
# This long without a request or a socket, and the page has nothing more to ask.
QUIET_SECONDS = 0.3
# An empty gallery for this long, and nothing will be drawn.
NO_PICTURE_SECONDS = 30


@dataclass(frozen=True)
class Outcome:
    """What stands on the page after a generation."""

    infotext: str
    line: str
    error: str
    images: int
    told: list[dict[str, Any]]


class Tab:
    """txt2img or img2img."""

    def __init__(self, ui: WebUi, name: str) -> None:
        self.ui = ui
        self.page = ui.page
        self.name = name

    def id(self, name: str) -> str:
        """The element of a field: one of ToDo's, or one of the host's."""
        known = ("enabled", "version", "preset", "hint", "advanced", "measure")
        known += (*NUMBERS, *WORDS, *NAMED_NUMBERS)
        return f"script_{self.name}_todo_{name}" if name in known else f"{self.name}_{name}"

    @property
    def accordion(self) -> Locator:
        return self.page.locator(f"#{self.id('enabled')}").first

    def switch(self, name: str, on: bool) -> None:
        """Tick or untick the box in an accordion's head: `enabled` (ToDo) or `hr`."""
        self.page.set_checked(f"#{self.id(name)}-visible-checkbox", on)

    def unfold(self, name: str) -> None:
        """Open an accordion."""
        label = self.page.locator(f"#{self.id(name)} .label-wrap").first
        if "open" not in (label.get_attribute("class") or "").split():
            label.click()

    def set(self, **values: object) -> None:
        """Set fields by their names, in the order given."""
        for name, value in values.items():
            if name in WORDS:
                self.ui.choose(self.id(name), str(value))
            elif name in NAMED_NUMBERS:
                self._type_into_a_choice(name, str(value))
            elif name == "preset":
                # it fills the controls
                if self.preset != value:
                    with self.ui.settled():
                        self.page.click(f'#{self.id("preset")} input[value="{value}"]')
            elif name == "prompt":
                self.ui.fill(self.id(name), value, "textarea")
            else:
                self.ui.fill(self.id(name), value)

    def _type_into_a_choice(self, name: str, value: str) -> None:
        """Into a dropdown that takes other values than its own, too."""
        field = self.page.locator(f"#{self.id(name)} input").first
        if field.input_value() == value:
            return
        with self.ui.settled():
            field.fill(value)
            field.press("Enter")
            field.blur()

    @property
    def preset(self) -> str:
        """The preset that is marked."""
        return str(self.page.input_value(f"#{self.id('preset')} input:checked"))

    def values(self) -> dict[str, Any]:
        """What the controls of ToDo show, in the words of Settings."""
        found: dict[str, Any] = {
            "enabled": self.page.is_checked(f"#{self.id('enabled')}-checkbox input")
        }
        for name in NUMBERS:
            found[name] = float(
                self.page.input_value(f"#{self.id(name)} input[type=number]") or "nan"
            )
        for name in (*WORDS, *NAMED_NUMBERS):
            found[name] = self.page.input_value(f"#{self.id(name)} input")
        return found

    def hint(self) -> str:
        return self.page.inner_text(f"#{self.id('hint')} .todo-hint").strip()

    def hint_with(self, text: str, lines: int | None = None) -> str:
        """The hint, once `text` stands in it, and it has that many lines."""
        self.page.wait_for_function(
            """([id, text, lines]) => {
                const hint = document.querySelector(`#${id} .todo-hint`).innerText.trim();
                return hint.includes(text) && (!lines || hint.split(/\\n+/).length === lines);
            }""",
            arg=[self.id("hint"), text, lines],
            timeout=HINT_MS,
        )
        return self.hint()

    def paste(self, text: str) -> None:
        """Put a text into the prompt box and press the arrow below Generate."""
        self.set(prompt=text)
        with self.ui.settled():
            self.page.click(f"#tab_{self.name} #paste")

    def generate(self, button: str = "generate") -> Outcome:
        """Press Generate (or another button that does) and wait for what it brings."""
        with self.ui.settled():
            self.page.click(f"#{self.name}_{button}")
        return self.outcome()

    def outcome(self) -> Outcome:
        """What stands on the page, once the host's progress bar is gone."""
        self.page.wait_for_selector(f"#{self.name}_interrupt", state="hidden")
        self.page.wait_for_selector(f"#html_log_{self.name} .performance", state="attached")
        error = self._text(f"#html_log_{self.name} .error")
        # what is told to programs the page keeps out of sight
        kept = self.page.input_value(f"#generation_info_{self.name} textarea")
        return Outcome(
            infotext=self._text(f"#html_info_{self.name}"),
            line=self._text(f"#html_log_{self.name} .comments"),
            error=error,
            told=generations(json.loads(kept)) if kept else [],
            images=self._pictures(refused=bool(error)),
        )

    def _pictures(self, refused: bool) -> int:
        """How many are in the gallery, which is drawn after the texts."""
        count, since = -1, time.monotonic()
        # of the grid and, of an image that is opened, those below it: either or both
        kinds = [self.page.locator(f"#{self.name}_gallery .thumbnail-{kind}") for kind in KINDS]
        while True:
            if (now := max(kind.count() for kind in kinds)) != count:
                count, since = now, time.monotonic()
            wait = QUIET_SECONDS if count or refused else NO_PICTURE_SECONDS
            if time.monotonic() > since + wait:
                return count
            self.page.wait_for_timeout(50)

    def _text(self, selector: str) -> str:
        found = self.page.locator(selector)
        return found.first.inner_text().strip() if found.count() else ""
