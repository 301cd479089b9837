"""install.py against a stand-in of the host's `launch`."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

INSTALL = Path(__file__).resolve().parents[2] / "install.py"


FAILS = "Couldn't install einops for ToDo.\nCommand: pip\nError code: 1"
TOLD = (
    "ToDo: einops is missing (Couldn't install einops for ToDo.); "
    "install it with: pip install einops\n"
)


@pytest.mark.parametrize(
    ("installed", "fails", "told"), [(True, False, ""), (False, False, ""), (False, True, TOLD)]
)
def test_installs_without_upgrading_and_says_in_one_line_that_it_could_not(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    installed: bool,
    fails: bool,
    told: str,
) -> None:
    launch = Mock(run_pip=Mock(side_effect=RuntimeError(FAILS) if fails else None))
    # asked before and after
    launch.is_installed.side_effect = [installed, not fails]
    monkeypatch.setitem(sys.modules, "launch", launch)
    runpy.run_path(str(INSTALL), run_name="__main__")
    launch.is_installed.assert_called_with("einops")
    commands = [call.args[0] for call in launch.run_pip.call_args_list]
    assert commands == ([] if installed else ["install einops"])
    assert capsys.readouterr().out == told


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
