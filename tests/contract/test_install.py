"""install.py against a stand-in of the host's `launch`."""

from __future__ import annotations

import runpy
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

INSTALL = Path(__file__).resolve().parents[2] / "install.py"


def run_install(
    monkeypatch: pytest.MonkeyPatch, installed: bool, run_pip: Callable[[], None]
) -> list[str]:
    """Run install.py; returns the pip commands it asked for."""
    commands: list[str] = []
    state = types.SimpleNamespace(installed=installed)
    launch = types.ModuleType("launch")

    def stand_in_run_pip(command: str, desc: str) -> None:
        commands.append(command)
        run_pip()
        state.installed = True

    launch.is_installed = lambda package: package == "einops" and state.installed
    launch.run_pip = stand_in_run_pip
    monkeypatch.setitem(sys.modules, "launch", launch)
    runpy.run_path(str(INSTALL), run_name="__main__")
    return commands


def fail() -> None:
    raise RuntimeError("Couldn't install einops for ToDo.\nCommand: pip\nError code: 1")


def test_does_nothing_when_einops_is_there(monkeypatch, capsys) -> None:
    assert run_install(monkeypatch, True, fail) == []
    assert capsys.readouterr().out == ""


def test_installs_without_upgrading(monkeypatch, capsys) -> None:
    assert run_install(monkeypatch, False, lambda: None) == ["install einops"]
    assert capsys.readouterr().out == ""


def test_says_in_one_line_that_it_could_not(monkeypatch, capsys) -> None:
    run_install(monkeypatch, False, fail)
    lines = capsys.readouterr().out.splitlines()
    expected = "ToDo: einops is missing (Couldn't install einops for ToDo.); "
    assert lines == [expected + "install it with: pip install einops"]


def test_does_nothing_where_there_is_no_launch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """ComfyUI-Manager runs it as a program of its own, with ComfyUI's folder as the current one."""
    monkeypatch.setitem(sys.modules, "launch", None)
    # what it might install is missing as well
    monkeypatch.setitem(sys.modules, "einops", None)
    runpy.run_path(str(INSTALL), run_name="__main__")
    assert capsys.readouterr() == ("", "")
    done = subprocess.run(
        [sys.executable, INSTALL], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
