"""The notebook runs from top to bottom, at a small size."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="needs requirements/demo.txt")

pytest.importorskip("nbclient", reason="needs requirements/all.txt")
pytest.importorskip("ipykernel", reason="needs requirements/demo.txt")

import nbclient
import nbformat

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
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": NOTEBOOK.parent}},
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    printed = "".join(o.text for o in outputs if o.output_type == "stream")
    assert len(pictures) == 3
    assert "self-attention layers" in printed
    assert "ToMe, 1 of 1" in printed
