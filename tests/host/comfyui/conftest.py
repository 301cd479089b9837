"""Fixtures of the tests on a real ComfyUI; without one they are skipped, with the reason.

COMFYUI_DIR names its folder (the one with main.py), COMFYUI_PYTHON the Python to run it with (the
one of a venv/ in it or beside it otherwise).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from comfyui_host import ComfyHost
from launching import find_python, free_port

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
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    reason = why_not()
    if reason is not None:
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))
    elif ours:
        comfyui_python()


def comfyui_python() -> Path:
    return find_python(Path(os.environ["COMFYUI_DIR"]).resolve(), "COMFYUI_PYTHON")


@pytest.fixture(scope="session")
def start_comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFactory]:
    """A factory of hosts with the keywords of `ComfyHost`; all of them stop at the end."""
    folder = Path(os.environ["COMFYUI_DIR"]).resolve()
    python = comfyui_python()
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
