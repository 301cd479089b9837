"""The two bounds: keys that are handed over ready-made."""

from __future__ import annotations

import torch

from benchmarks.peers import bounds
from lib_todo import Settings


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
