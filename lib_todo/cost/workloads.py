"""Calls to measure a machine with, in shapes from a real U-Net, and their operations.

The shapes are SD 1.x's at 768 pixels, where each takes some tenths of a second on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

# a call, and its number of operations (for `moves`, of bytes)
Workload = tuple[Callable[[], Any], int]
HEADS = 8
ATTENTION_TOKENS = 4096


def linear(**like: Any) -> list[Workload]:
    """Linear layers; `like` has device and dtype."""
    shapes = [(9216, 320, 2560), (9216, 1280, 320), (2304, 640, 640), (576, 1280, 10240)]
    return [_linear(*shape, **like) for shape in shapes]


def convolution(**like: Any) -> list[Workload]:
    """3×3 convolutions."""
    return [_convolution(*shape, **like) for shape in ((96, 320), (48, 640), (24, 1280))]


def attention(head_width: int, **like: Any) -> list[Workload]:
    """Self-attention with that many channels per head."""
    # laid out in memory as in U-Nets: heads next to each other within a token
    query, key, value = (
        torch.randn(1, ATTENTION_TOKENS, HEADS, head_width, **like).transpose(1, 2)
        for _ in range(3)
    )
    operations = 4 * HEADS * ATTENTION_TOKENS**2 * head_width
    return [(lambda: F.scaled_dot_product_attention(query, key, value), operations)]


def moves(**like: Any) -> list[Workload]:
    """Elementwise operations, one of each kind that the cost model counts, and their bytes."""
    return [_moves(side, channels, **like) for side, channels in ((96, 320), (48, 640))]


def _linear(rows: int, inputs: int, outputs: int, **like: Any) -> Workload:
    x = torch.randn(rows, inputs, **like)
    weight, bias = torch.randn(outputs, inputs, **like), torch.randn(outputs, **like)
    return lambda: F.linear(x, weight, bias), 2 * rows * inputs * outputs


def _convolution(side: int, channels: int, **like: Any) -> Workload:
    x = torch.randn(1, channels, side, side, **like)
    weight, bias = torch.randn(channels, channels, 3, 3, **like), torch.randn(channels, **like)
    return lambda: F.conv2d(x, weight, bias, padding=1), 2 * 9 * side**2 * channels**2


def _moves(side: int, channels: int, **like: Any) -> Workload:
    image = torch.randn(1, channels, side, side, **like)
    tokens = torch.randn(1, side * side, channels, **like)
    wide = torch.randn(1, side * side, 8 * channels, **like)

    def run() -> None:
        F.silu(F.group_norm(image, 32)) + image
        F.layer_norm(tokens, (channels,)) + tokens
        left, right = wide.chunk(2, dim=-1)
        left * F.gelu(right)

    passes = 3 + 2 + 3 + 3 + 3 + 20
    return run, passes * image.numel() * image.element_size()
