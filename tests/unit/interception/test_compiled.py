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
