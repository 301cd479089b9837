"""The notebook runs from top to bottom, at a small size."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="needs requirements/all.txt")
nbformat = pytest.importorskip("nbformat", reason="needs requirements/all.txt")

NOTEBOOK = Path(__file__).parents[2] / "demo" / "comparison.ipynb"
# a run of a minute and more becomes one of seconds
SMALLER = {
    "WIDTH, HEIGHT = .*": "WIDTH, HEIGHT = 256, 192",
    "FIRST, STRENGTH = .*": "FIRST, STRENGTH = (128, 96), 0.5",
    "28, 3.0": "4, 3.0",
}


def test_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    for pattern, replacement in SMALLER.items():
        found = [cell for cell in notebook.cells if re.search(pattern, cell.source)]
        assert len(found) == 1, pattern
        found[0].source = re.sub(pattern, replacement, found[0].source)
    resources = {"metadata": {"path": NOTEBOOK.parent}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "self-attention layers" in printed
