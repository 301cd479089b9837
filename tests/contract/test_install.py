"""install.py against a stand-in of the host's `launch`."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

INSTALL = Path(__file__).resolve().parents[2] / "install.py"


@pytest.mark.parametrize("installed", [True, False])
def test_installs_what_is_missing_without_upgrading(
    monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    launch = Mock(**{"is_installed.return_value": installed})
    monkeypatch.setitem(sys.modules, "launch", launch)
    runpy.run_path(str(INSTALL), run_name="__main__")
    launch.is_installed.assert_called_with("einops")
    commands = [call.args[0] for call in launch.run_pip.call_args_list]
    assert commands == ([] if installed else ["install einops"])


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
