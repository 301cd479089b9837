"""The two bounds, and the operations that a prediction counts."""

from __future__ import annotations

import pytest
import torch

from benchmarks.output import prediction
from benchmarks.peers import bounds
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.unet import KINDS, unet_operations


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q = torch.nn.Linear(3, 3)

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        return x if context is None else context


def test_bounds_hand_over_ready_made_keys() -> None:
    sizes = bounds.pooled_sizes([(8, 8), (4, 4)], Settings.from_preset("paper", threshold=4))
    assert sizes == {64: 16}
    block = torch.nn.ModuleDict({"attn1": Attention()})
    attention, tokens, small = block["attn1"], torch.zeros(2, 64, 3), torch.zeros(2, 16, 3)
    with bounds.ready_made_keys(block, "context", sizes, batch=2):
        assert attention(tokens).shape == (2, 16, 3)
        assert attention(tokens) is attention(tokens)
        assert attention(small) is small
    assert attention(tokens) is tokens
    assert "forward" not in attention.__dict__


def test_every_operation_has_a_rate() -> None:
    rate = dict.fromkeys([*KINDS, *(f"attention {width}" for width in (40, 64, 80, 160))], 1.0)
    for name, shape in SHAPES.items():
        counted = unet_operations(shape, (64, 64), itemsize=4)
        work = sum(op.flops for op in counted)
        passed = sum(op.bytes for op in counted if not op.flops)
        for itemsize in (2, 4):
            seconds = prediction.seconds(name, (64, 64), None, 1, itemsize, rate)
            assert seconds == pytest.approx(work + passed * itemsize / 4)
