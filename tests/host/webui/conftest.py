"""Fixtures of the tests on AUTOMATIC1111's WebUI; without one they are skipped, with the reason.

SD_WEBUI_DIR names the WebUI (1.10, with tiny checkpoints), SD_WEBUI_PYTHON the Python to run it
with (the one of a venv/ in it or beside it otherwise), SD_WEBUI_HF_HOME an offline Hugging Face
cache (tiny-work/hf beside the WebUI otherwise), SD_WEBUI_THREADS the number of threads (2
otherwise). For the tests of other extensions SD_WEBUI_EXTENSIONS names a folder of their checkouts,
see `host_with_others.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from expect import first_pixels
from host import CHECKPOINT, Host, HostFactory
from host_fixtures import factory, skip_or_check
from host_with_others import ORDERS, HostWithOthers, extensions
from launching import find_python
from other_extension_cases import CASES, Case

HERE = Path(__file__).resolve().parent


def why_not() -> str | None:
    """Why the host tests cannot run here, or None."""
    folder = os.environ.get("SD_WEBUI_DIR")
    if not folder:
        return "SD_WEBUI_DIR does not name a WebUI"
    webui = Path(folder)
    if not all((webui / name).is_file() for name in ("webui.py", "launch.py")):
        return f"SD_WEBUI_DIR={folder} has no webui.py and launch.py"
    if not (webui / "models" / "Stable-diffusion" / CHECKPOINT).is_file():
        return f"the WebUI in {folder} has no tiny checkpoint {CHECKPOINT}"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_or_check(items, HERE, why_not(), webui_python)


def webui_python() -> Path:
    return find_python(Path(os.environ["SD_WEBUI_DIR"]).resolve(), "SD_WEBUI_PYTHON")


@pytest.fixture(scope="session")
def start_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFactory]:
    """A factory of hosts with the keywords of `Host`; all of them stop at the end."""
    webui = Path(os.environ["SD_WEBUI_DIR"]).resolve()
    python = webui_python()

    def make(**keywords: Any) -> Host:
        return Host(webui, python, tmp_path_factory.mktemp("webui"), **keywords)

    with factory(make) as start:
        yield start


@pytest.fixture(scope="session")
def shared_host(start_host: HostFactory) -> Host:
    """The long-lived host with the extension."""
    return start_host()


@pytest.fixture
def host(shared_host: Host) -> Host:
    """The long-lived host with the extension, its probe reset."""
    shared_host.probe_reset()
    return shared_host


@pytest.fixture(scope="session")
def shared_ui_host(start_host: HostFactory) -> Host:
    """A long-lived host with its page, which alone has the X/Y/Z axes of extensions."""
    return start_host(with_ui=True)


@pytest.fixture
def ui_host(shared_ui_host: Host) -> Host:
    """The long-lived host with its page, its probe reset."""
    shared_ui_host.probe_reset()
    return shared_ui_host


def start_with_others(
    tmp_path_factory: pytest.TempPathFactory, order: str | None
) -> HostWithOthers:
    """A host with the other extensions, not started yet; order None: without ours."""
    webui = Path(os.environ["SD_WEBUI_DIR"]).resolve()
    data = tmp_path_factory.mktemp("others")
    return HostWithOthers(webui, webui_python(), data, extensions=extensions(data, order))


@pytest.fixture(scope="session")
def without_todo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The pixels of each case on a host with the other extensions, where ToDo is not installed."""
    with start_with_others(tmp_path_factory, None) as host:
        plain = {"nothing": first_pixels(Case().txt2img(host))}
        present = {name: case for name, case in CASES.items() if case.is_present}
        return plain | {name: first_pixels(case.txt2img(host)) for name, case in present.items()}


@pytest.fixture(scope="session", params=list(ORDERS))
def shared_host_with_others(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    without_todo: dict[str, bytes],
) -> Iterator[HostWithOthers]:
    """A host with the other extensions and ours, loaded before or after them; one at a time."""
    with start_with_others(tmp_path_factory, request.param) as host:
        yield host


@pytest.fixture
def crowded(shared_host_with_others: HostWithOthers) -> HostWithOthers:
    """That host, its probe reset."""
    shared_host_with_others.probe_reset()
    return shared_host_with_others
