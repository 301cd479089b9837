"""What an attention layer's call is handed: tokens of its own grid, or something else."""

from __future__ import annotations

from typing import Any

import torch

from lib_todo.plan import Grid


def grids_side_by_side(x: Any, context: Any, grid: Grid, layer: Any, transformer: Any) -> int:
    """How many whole grids the keys come from: 1 for plain self-attention, 0 if it is not that."""
    tokens = grid[0] * grid[1]
    if x.ndim != 3 or x.shape[1] != tokens:
        return 0
    if context is None or context is x:
        return 1
    if not isinstance(context, torch.Tensor) or context.ndim != 3:
        return 0
    if context.shape[0] != x.shape[0] or context.shape[2] != x.shape[2]:
        return 0
    copies, rest = divmod(context.shape[1], tokens)
    # a text prompt may have as many tokens by chance; a block's first attention has none
    return copies if not rest and is_first_attention(layer, transformer) else 0


def is_first_attention(layer: Any, transformer: Any) -> bool:
    """Whether the layer is a block's `attn1`, which no prompt is handed to."""
    blocks = getattr(transformer, "transformer_blocks", ())
    return any(getattr(block, "attn1", None) is layer for block in blocks)


def fits(value: Any, x: torch.Tensor, context: torch.Tensor | None) -> bool:
    """Whether values handed over by themselves (ComfyUI's kind of call) lie on the keys' grid."""
    source = x if context is None else context
    return value is None or (
        isinstance(value, torch.Tensor) and value.shape[:2] == source.shape[:2]
    )


def is_set(value: Any) -> bool:
    """Whether an argument such as a mask or a count was really given."""
    return value is not None and not (isinstance(value, int) and value == 0)
