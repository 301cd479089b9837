"""The sizes of an ldm U-Net's weights by name, from which its shape follows."""

from __future__ import annotations

from collections.abc import Iterator

from lib_todo.cost.architectures import UNetShape


def sizes_of(shape: UNetShape) -> dict[str, list[int]]:
    """Two residual blocks a level, then the convolution that halves the grid."""
    found = {"input_blocks.0.0.weight": [shape.channels[0], 4, 3, 3]}
    number = 0
    for level, (width, depth) in enumerate(zip(shape.channels, shape.depths)):
        if level:
            number += 1
            found[f"input_blocks.{number}.0.op.weight"] = [shape.channels[level - 1]] * 2 + [3, 3]
        for _ in range(2):
            number += 1
            block = f"input_blocks.{number}"
            found[f"{block}.0.out_layers.3.weight"] = [width, width, 3, 3]
            found |= dict(_transformer(block, depth, width, shape.context_width))
    found |= dict(
        _transformer("middle_block", shape.middle_depth, shape.channels[-1], shape.context_width)
    )
    if shape.vector_width:
        found["label_emb.0.0.weight"] = [4 * shape.channels[0], shape.vector_width]
    return found


def _transformer(
    block: str, depth: int, width: int, context_width: int
) -> Iterator[tuple[str, list[int]]]:
    for place in range(depth):
        name = f"{block}.1.transformer_blocks.{place}"
        yield f"{name}.attn1.to_k.weight", [width, width]
        yield f"{name}.attn2.to_k.weight", [width, context_width]
