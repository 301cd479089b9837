"""The page with two copies of the extension's folder: both bring their script, one runs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from browser_steps import open_page
from copies import copy_of_extension
from host import REPOSITORY, HostFactory
from page import chromium, launched

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium here")


def test_ticking_opens_the_accordion_and_the_hint_is_asked_for_once(
    start_host: HostFactory, tmp_path: Path
) -> None:
    backup = copy_of_extension(tmp_path / "sd-webui-todo-backup")
    host = start_host(extensions=(REPOSITORY, backup), with_ui=True)
    asked: list[str] = []
    with launched() as browser:
        ui = open_page(browser, host.url)
        tab = ui.show("txt2img")
        ui.page.on("request", lambda request: asked.append(request.url))
        tab.switch("enabled", True)
        ui.page.wait_for_timeout(2500)
        opened = tab.accordion.locator(".label-wrap").first.get_attribute("class") or ""
        hint, reason = tab.hint(), ui.page.get_by_text("another copy of it is in use")
        told = reason.first.text_content() or ""
        errors = [error for error in ui.take_errors() if error.startswith("uncaught")]
    host.stop()
    assert "open" in opened.split()
    assert hint
    assert len([url for url in asked if url.endswith("/todo/hint")]) == 1
    assert str(host.data / "extensions" / "sd-webui-todo") in told
    assert errors == []
