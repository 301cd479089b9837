"""Calls to measure a machine with, in shapes from a real U-Net, and their operations.

On a CPU the shapes are SD 1.x's at 768 pixels, where each takes some tenths of a second. On a GPU
they are larger, so that a kernel takes longer than Python needs to launch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# a call, and its number of operations (for `moves`, of bytes)
Workload = tuple[Callable[[], Any], int]
# tokens as [batch, tokens, channels] and a number of heads; what comes out is not looked at
Attend = Callable[[torch.Tensor, int], Any]
HEADS = 8


def _side(device: torch.device) -> int:
    """Of the largest grid, in tokens."""
    return 96 if device.type == "cpu" else 192


def linear(**like: Any) -> list[Workload]:
    """Linear layers; `like` has device and dtype."""
    rows = _side(like["device"]) ** 2
    sizes = ((rows, 320, 2560), (rows, 1280, 320), (rows // 4, 640, 640), (rows // 16, 1280, 10240))
    return [_linear(*size, **like) for size in sizes]


def convolution(**like: Any) -> list[Workload]:
    """3×3 convolutions."""
    side = _side(like["device"])
    shapes = ((side, 320), (side // 2, 640), (side // 4, 1280))
    return [_convolution(*shape, **like) for shape in shapes]


def fused_attention(tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """PyTorch's own choice of a kernel."""
    # laid out in memory as in U-Nets: heads next to each other within a token
    split = tokens.unflatten(2, (heads, -1)).transpose(1, 2)
    return F.scaled_dot_product_attention(split, split, split)


def attention(head_width: int, attend: Attend = fused_attention, **like: Any) -> list[Workload]:
    """Self-attention with that many channels per head, by a host's own function if it has one."""
    tokens = torch.randn(1, 4 * _side(like["device"]) ** 2 // 9, HEADS * head_width, **like)
    operations = 4 * tokens.shape[1] ** 2 * tokens.shape[2]
    return [(lambda: attend(tokens, HEADS), operations)]


def moves(**like: Any) -> list[Workload]:
    """Elementwise operations, one of each kind that the cost model counts, and their bytes."""
    side = _side(like["device"])
    return [_moves(*shape, **like) for shape in ((side, 320), (side // 2, 640))]


def launching(**like: Any) -> Workload:
    """A layer so small that only Python counts, as many operations of ldm's U-Net take as long.

    On a CPU, the U-Net took 64 µs for each that cost.unet counts, this layer 200 µs.
    """
    layer = nn.TransformerEncoderLayer(32, 4, 128, dropout=0, batch_first=True, **like)
    tokens = torch.randn(2, 16, 32, **like)
    return lambda: layer(tokens), 3


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
