"""Fixtures of the tests on a real ComfyUI; without one they are skipped, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from comfyui_host import COMFYUI, ComfyHost


@pytest.fixture(scope="session")
def shared_comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyHost]:
    """The long-lived host with ToDo."""
    COMFYUI.folder()
    with ComfyHost(tmp_path_factory.mktemp("comfyui")) as host:
        yield host


@pytest.fixture
def comfyui(shared_comfyui: ComfyHost) -> ComfyHost:
    """That host, its record begun anew."""
    shared_comfyui.forget()
    return shared_comfyui
