"""The files that ComfyUI's registry and its command line read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import lib_todo

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 has it")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_version_is_found_without_running_anything(project: dict[str, Any]) -> None:
    """comfy-cli reads it by a pattern where [project] calls it dynamic; else it publishes none."""
    assert project["project"]["dynamic"] == ["version"]
    source = (ROOT / project["tool"]["comfy"]["version"]["path"]).read_text("utf-8")
    (version,) = re.findall(r'^__version__ = "(\d+\.\d+\.\d+)"$', source, re.MULTILINE)
    assert version == lib_todo.__version__


def test_what_is_left_out_of_the_archive_exists_and_the_nodes_are_in_it() -> None:
    lines = (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    left_out = [line for line in lines if line and not line.startswith("#")]
    # a pattern without a slash before it would match in every folder: docs/ the help pages, too
    assert [name for name in left_out if not name.startswith("/")] == []
    paths = [name.strip("/") for name in left_out]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for needed in ("lib_todo/hosts/comfyui", "example_workflows", "__init__.py", "pyproject.toml"):
        assert not [path for path in paths if (needed + "/").startswith(path + "/")]
