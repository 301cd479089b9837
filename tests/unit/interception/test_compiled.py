"""A U-Net compiled by torch.compile, whole or by blocks, inside the with and before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from diffusers_models import run_unet, unet
from settings_of import paper
from torch._dynamo.testing import CompileCounter

from lib_todo import token_downsampling, wording

SETTINGS = paper(factor=2, threshold=8)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch._dynamo.reset()
    with torch.inference_mode():
        yield
    torch._dynamo.reset()


def test_a_graph_that_does_not_know_of_todo_is_named_as_the_cause() -> None:
    model = unet()
    model.compile(backend=CompileCounter(), fullgraph=True)
    with token_downsampling(SETTINGS) as report:
        run_unet(model, 16, 12)
    assert report.line() == wording.nothing_pooled(wording.COMPILED)
    assert "force_eager" in report.line()


def same_as_eager(order: str, compiled: torch.nn.Module, eager: torch.nn.Module) -> None:
    """Run both models in that order of sizes, on and off, and compare pictures and counts."""
    for what in order.split():
        outputs, reports = [], []
        for model in (compiled, eager):
            height, width = SIZES[what]
            with token_downsampling(ORDERS[what]) as report:
                outputs.append([evaluate(model, step, height, width) for step in range(6)])
            reports.append(report.to_dict())
        torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-5)
        assert reports[0] == reports[1]
