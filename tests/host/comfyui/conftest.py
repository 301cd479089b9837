"""Fixtures of the tests on a real ComfyUI; without one they are skipped, with the reason.

COMFYUI_DIR names its folder (the one with main.py), COMFYUI_PYTHON the Python to run it with (the
one of a venv/ in it or beside it otherwise).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from comfyui_host import ComfyHost
from host_fixtures import factory, skip_or_check
from launching import find_python

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
    skip_or_check(items, HERE, why_not(), comfyui_python)


def comfyui_python() -> Path:
    return find_python(Path(os.environ["COMFYUI_DIR"]).resolve(), "COMFYUI_PYTHON")


@pytest.fixture(scope="session")
def start_comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFactory]:
    """A factory of hosts with the keywords of `ComfyHost`; all of them stop at the end."""
    folder = Path(os.environ["COMFYUI_DIR"]).resolve()
    python = comfyui_python()

    def make(**keywords: bool) -> ComfyHost:
        return ComfyHost(folder, python, tmp_path_factory.mktemp("comfyui"), **keywords)

    with factory(make) as start:
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
