"""A browser, and one page of each host for all tests in this folder: it takes seconds to load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from browser_steps import open_page, prepare, tick
from host import Host
from page import WebUi, chromium, launched
from playwright.sync_api import Browser
from tab import Tab


@pytest.fixture(scope="session")
def browser(shared_host: Host) -> Iterator[Browser]:
    # after the host: where there is none, an open browser would leave its event loop running
    if chromium() is None:
        pytest.skip("no chromium on the path")
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def ui(browser: Browser, shared_host: Host) -> Iterator[WebUi]:
    assert "Error loading script" not in shared_host.log()
    # Forge Neo picks any of its checkpoints at the start
    shared_host.use("tiny15_a")
    ui = open_page(browser, shared_host.url)
    yield ui
    assert [stack for stack in ui.stacks if "todo.js" in stack] == []
    ui.page.close()


@pytest.fixture
def tab(ui: WebUi, host: Host) -> Tab:
    """txt2img set small, with the accordion open, unticked and at its defaults."""
    return prepare(ui.show("txt2img"))


@pytest.fixture
def ticked(tab: Tab) -> Tab:
    """The same by the paper's rule, ticked, with a threshold that a small image is above."""
    tick(tab)
    return tab
