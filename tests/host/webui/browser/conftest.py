"""One host and two pages for all tests in this folder: a page takes many seconds to load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from browser_steps import open_page, prepare, tick
from host import Host, HostFactory
from page import WebUi, launched
from playwright.sync_api import Browser
from tab import Tab


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def page_host(start_host: HostFactory) -> Iterator[Host]:
    host = start_host(with_ui=True)
    assert "Error loading script" not in host.log()
    yield host
    host.stop()


@pytest.fixture(scope="package")
def ui(browser: Browser, page_host: Host) -> WebUi:
    """The page that most tests share."""
    return open_page(browser, page_host.url)


@pytest.fixture(scope="package")
def dark_ui(browser: Browser, page_host: Host) -> WebUi:
    """A second page, in the dark theme."""
    return open_page(browser, page_host.url, "?__theme=dark")


@pytest.fixture(scope="package")
def seen_errors() -> dict[str, set[str]]:
    """What the console said, by test."""
    return {}


@pytest.fixture(autouse=True)
def _note_errors(
    request: pytest.FixtureRequest, seen_errors: dict[str, set[str]]
) -> Iterator[None]:
    yield
    for name in ("ui", "dark_ui"):
        if name in request.fixturenames:
            seen_errors[request.node.name] = set(request.getfixturevalue(name).take_errors())


@pytest.fixture
def tab(ui: WebUi, page_host: Host) -> Tab:
    """txt2img set small, with the accordion open, unticked and at its defaults."""
    page_host.probe_reset()
    return prepare(ui.show("txt2img"))


@pytest.fixture
def ticked(tab: Tab) -> Tab:
    """The same by the paper's rule, ticked, with a threshold that a small image is above."""
    tick(tab)
    return tab
