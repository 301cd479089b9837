"""A U-Net exported to ONNX inside the with: pooling is in the program, and the report is plain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")
pytest.importorskip("onnxruntime", reason="needs onnx, onnxscript and onnxruntime")
pytest.importorskip("onnxscript", reason="needs onnx, onnxscript and onnxruntime")

import onnxruntime
from diffusers_models import TEXT_WIDTH, OfTensors
from settings_of import paper

from lib_todo import token_downsampling


def run(file: Path, args: tuple[torch.Tensor, ...]) -> torch.Tensor:
    session = onnxruntime.InferenceSession(str(file))
    given = {place.name: value.numpy() for place, value in zip(session.get_inputs(), args)}
    return torch.from_numpy(session.run(None, given)[0])


@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("method", ["nearest", "average"])
def test_an_exported_program_is_pooled(tmp_path: Path, dynamo: bool, method: str) -> None:
    model, file = OfTensors(), tmp_path / "unet.onnx"
    args = torch.randn(2, 4, 16, 12), torch.tensor(500), torch.randn(2, 5, TEXT_WIDTH)
    settings = paper(factor=2, threshold=8, method=method)
    with torch.no_grad():
        dense = model(*args)
        with token_downsampling(settings):
            expected = model(*args)
        with token_downsampling(settings) as report:
            torch.onnx.export(model, args, file, dynamo=dynamo)
    got = run(file, args)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)
    assert not torch.allclose(got, dense, atol=1e-3)
    assert "192 → 48 keys in 3 of 7 self-attention layers" in report.line()
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
