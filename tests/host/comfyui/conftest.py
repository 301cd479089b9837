"""Fixtures of the tests on a real ComfyUI; without one they are skipped, with the reason.

COMFYUI_DIR names its folder (the one with main.py), COMFYUI_PYTHON the Python to run it with (the
one of a venv/ in it or beside it otherwise).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from comfyui_host import ComfyHost

HERE = Path(__file__).resolve().parent
HostFactory = Callable[..., ComfyHost]


def why_not() -> str | None:
    """Why these tests cannot run here, or None."""
    folder = os.environ.get("COMFYUI_DIR")
    if not folder:
        return "COMFYUI_DIR does not name a ComfyUI"
    if not (Path(folder) / "main.py").is_file():
        return f"COMFYUI_DIR={folder} has no main.py"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    for item in items:
        if reason is not None and item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason=reason))


def comfyui_python(folder: Path) -> Path:
    named = os.environ.get("COMFYUI_PYTHON")
    beside = [place / "venv" / "bin" / "python" for place in (folder, folder.parent)]
    for python in [Path(named)] if named else beside:
        if python.is_file():
            return python
    pytest.fail(f"no Python at {named or beside}; name ComfyUI's own in COMFYUI_PYTHON")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def start_comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFactory]:
    """A factory of hosts with the keywords of `ComfyHost`; all of them stop at the end."""
    folder = Path(os.environ["COMFYUI_DIR"]).resolve()
    python = comfyui_python(folder)
    with ExitStack() as stack:

        def start(**keywords: bool) -> ComfyHost:
            data = tmp_path_factory.mktemp("comfyui")
            return stack.enter_context(ComfyHost(folder, python, data, free_port(), **keywords))

        yield start


@pytest.fixture(scope="session")
def shared_comfyui(start_comfyui: HostFactory) -> ComfyHost:
    """The long-lived host with ToDo."""
    return start_comfyui()


@pytest.fixture
def comfyui(shared_comfyui: ComfyHost) -> ComfyHost:
    """That host, its record begun anew."""
    shared_comfyui.forget()
    return shared_comfyui


@pytest.fixture(scope="session")
def bare_comfyui(start_comfyui: HostFactory) -> ComfyHost:
    """A host where ToDo is not installed."""
    return start_comfyui(with_todo=False)
