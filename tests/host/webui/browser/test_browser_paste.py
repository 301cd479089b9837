"""The page in a real browser: what a pasted text sets, and that markup stays text."""

from __future__ import annotations

import pytest
from browser_steps import (
    MARKUP,
    PAPER,
    POOLED,
    no_markup,
)
from host import Host
from tab import Tab
from todo_report import numbers


def test_pasting_a_text_without_todo_unticks_the_box(ticked: Tab) -> None:
    ticked.paste("a dog\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 128x128")
    assert ticked.values() == PAPER | {"threshold": 8}
    assert ticked.page.is_checked(f"#{ticked.id('enabled')}-visible-checkbox") is False


def test_pasting_what_the_older_extension_wrote(tab: Tab) -> None:
    tab.paste(
        "a dog\nSteps: 2, Size: 128x128, "
        "ToDo factor: 3, ToDo factor2: 2, ToDo disable after: 0.6, ToDo method: average"
    )
    assert tab.values() == PAPER | {
        "enabled": True,
        "factor": "3",
        "deep_factor": "2",
        "end": 0.6,
        "method": "average",
    }


def test_an_empty_prompt_pastes_the_last_generation(ticked: Tab) -> None:
    ticked.set(method="max")
    ticked.generate()
    chosen = ticked.values()
    ticked.switch("enabled", False)
    ticked.set(threshold=64, method="nearest")
    ticked.paste("")
    assert ticked.values() == chosen


@pytest.mark.parametrize(
    "forged",
    [
        "ToDo factor: 99",
        "ToDo factor: 2, ToDo threshold: many",
        "ToDo factor: 2, ToDo steps: 0.9-0.1",
        f"ToDo factor: {MARKUP}, ToDo method: {MARKUP}",
    ],
)
def test_a_forged_text_changes_nothing_of_todo(ticked: Tab, page_host: Host, forged: str) -> None:
    """The page says why, since ToDo is left as it was."""
    before = ticked.values(), ticked.preset
    ticked.paste(f"a dog\nSteps: 3, Size: 128x128, {forged}")
    assert ticked.page.input_value("#txt2img_steps input[type=number]") == "3"
    assert (ticked.values(), ticked.preset) == before
    toast = ticked.page.locator(".toast-body").last
    key = next(part for part in forged.split(", ")[::-1] if part != "ToDo factor: 2").split(":")[0]
    assert "ToDo: ToDo" in toast.inner_text()
    assert key in toast.inner_text() or MARKUP in forged
    assert no_markup(ticked.ui)


def test_markup_in_the_prompt_stays_text(ticked: Tab) -> None:
    ticked.set(prompt=MARKUP)
    outcome = ticked.generate()
    assert numbers(outcome.line) == POOLED
    assert MARKUP in outcome.infotext
    ticked.hint_with("16×16 → 8×8 tokens (by 2)")
    assert no_markup(ticked.ui)
