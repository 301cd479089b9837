"""The Makefile and the git hook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from markdown import ROOT

RUFF = shutil.which("ruff", path=str(ROOT / ".venv" / "bin"))
GOOD, BAD = "x = 1\n", "import os\nx=1\n"


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)[1].split()
    told = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[0] for line in told.stdout.splitlines()] == targets
    assert all(len(line.split()) > 1 for line in told.stdout.splitlines())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository with the project's hook, as `make hooks` sets it."""
    shutil.copytree(ROOT / ".githooks", tmp_path / ".githooks")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "ruff").symlink_to(RUFF)
    for command in (
        ["init", "--quiet"],
        ["config", "core.hooksPath", ".githooks"],
        ["config", "user.name", "A"],
        ["config", "user.email", "a@localhost"],
        ["add", "pyproject.toml"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def commit(repository: Path) -> bool:
    """Whether git takes a commit of what is staged."""
    command = ["git", "commit", "--quiet", "--message", "x"]
    return subprocess.run(command, cwd=repository, capture_output=True).returncode == 0


@pytest.mark.skipif(not RUFF, reason="needs ruff in .venv, which make lint sets up")
@pytest.mark.parametrize(
    ("staged", "in_the_folder", "taken"),
    [(GOOD, GOOD, True), (BAD, BAD, False), (BAD, GOOD, False), (GOOD, BAD, True)],
)
def test_the_hook_looks_at_what_is_staged(
    repository: Path, staged: str, in_the_folder: str, taken: bool
) -> None:
    file = repository / "a file.py"
    file.write_text(staged)
    subprocess.run(["git", "add", file], cwd=repository, check=True)
    file.write_text(in_the_folder)
    assert commit(repository) is taken


@pytest.mark.skipif(not RUFF, reason="needs ruff in .venv, which make lint sets up")
def test_the_hook_lets_a_commit_without_python_pass(repository: Path) -> None:
    assert commit(repository)
