"""The example script runs on the built-in model, as the page shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown import ROOT

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

from PIL import Image

SCRIPT = "examples/diffusers_hires.py"


def test_the_script_enlarges_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "enlarged.png"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--steps", "24", "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(out).size == (3 * 256, 256)
    # of twelve steps most have the preset's own factors; the largest level has 32 × 32 tokens
    told = dict(re.findall(r"^(\w+): ToDo: 1024 → (\d+)\b.* in all 12 steps", done.stdout, re.M))
    assert told == {"paper": "256", "balanced": "121"}
