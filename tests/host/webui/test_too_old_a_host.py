"""A real WebUI that is too old (1.5.2): ToDo is switched off, says so, and nothing else changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from expect import first_pixels
from host import Host, HostFactory

NEEDED = "InputAccordion"


def has_what_it_needs() -> bool:
    folder = os.environ.get("SD_WEBUI_DIR")
    if not folder:
        return True
    file = Path(folder) / "modules" / "ui_components.py"
    return file.is_file() and NEEDED in file.read_text("utf-8")


pytestmark = pytest.mark.skipif(has_what_it_needs(), reason="this WebUI has all that ToDo needs")


@pytest.fixture(scope="module")
def old_host(start_host: HostFactory) -> Host:
    return start_host()


def test_the_log_says_so_in_one_line(old_host: Host) -> None:
    (line,) = [line for line in old_host.log().splitlines() if "ToDo" in line]
    assert NEEDED in line
    assert "1.6.0" in line


@pytest.mark.parametrize("args", [[True], [{}], [{"preset": "fast"}], [{"factor": "x"}]])
def test_a_request_for_it_is_refused(old_host: Host, args: list[Any]) -> None:
    asked = old_host.body(alwayson_scripts={"ToDo": {"args": args}})
    answer = old_host.request("POST", "/sdapi/v1/txt2img", json=asked)
    assert answer.status_code == 422


def test_other_requests_make_the_same_image(old_host: Host) -> None:
    plain = first_pixels(old_host.txt2img())
    assert first_pixels(old_host.txt2img()) == plain
