"""The page in a real browser: the hint follows every control that affects it."""

from __future__ import annotations

import pytest
from host import Host
from tab import Tab


@pytest.fixture
def paper(tab: Tab) -> Tab:
    """The tab with the preset paper, at 1024×1024."""
    tab.set(preset="paper", width=1024, height=1024)
    return tab


def test_the_hint_follows_every_setting(paper: Tab) -> None:
    paper.hint_with("128×128 → 64×64 tokens (by 2)")
    paper.set(factor="4")
    paper.hint_with("128×128 → 32×32 tokens (by 4)")
    paper.set(threshold=32)
    paper.hint_with("64×64 → 32×32 tokens (by 2)")
    paper.set(deep_factor="8")
    paper.hint_with("64×64 → 8×8 tokens (by 8)")
    whole = paper.hint()
    # none of the two steps that the tests set begins there
    paper.set(start=0.9)
    paper.hint_with("no step lies between Start and End", lines=1)
    paper.set(steps=20)
    paper.page.wait_for_function(
        "([id, n]) => document.querySelector(`#${id} .todo-hint`).innerText.trim().length > n",
        arg=[paper.id("hint"), len(whole)],
    )
    paper.set(factor="1", deep_factor="1", start=0)
    assert "→" not in paper.hint_with("1024×1024", lines=1)
    paper.set(start=0.5, end=0.5)
    paper.hint_with("Start and End")


def test_the_hint_follows_the_checkpoint(paper: Tab, host: Host) -> None:
    """SDXL has no layers of the latent's own size."""
    paper.hint_with("128×128 → 64×64")
    host.use("tinyxl_a")
    assert "→" not in paper.hint_with("nothing changes", lines=1)
    host.use("tiny15_a")
    paper.hint_with("128×128 → 64×64")
