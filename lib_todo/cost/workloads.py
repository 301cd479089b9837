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
    shapes = (
        (rows, 320, 2560),
        (rows, 1280, 320),
        (rows // 4, 640, 640),
        (rows // 16, 1280, 10240),
    )
    return [_linear(*shape, **like) for shape in shapes]


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


def block(**like: Any) -> Workload:
    """A residual and a transformer block of one layer each, so small that only launching counts.

    As many modules are called as in a U-Net, for the 21 operations that cost.unet counts there.
    """
    wide, side = 32, 8
    norms = [nn.GroupNorm(8, wide), *(nn.LayerNorm(wide) for _ in range(3))]
    convolutions = [nn.Conv2d(wide, wide, 3, padding=1) for _ in range(2)]
    linears = [nn.Linear(wide, wide) for _ in range(11)]
    widen, narrow = nn.Linear(wide, 8 * wide), nn.Linear(4 * wide, wide)
    for layer in (*norms, *convolutions, *linears, widen, narrow):
        layer.to(**like)
    activation, dropout = nn.SiLU(), nn.Dropout(0).eval()
    image, time = torch.randn(2, wide, side, side, **like), torch.randn(2, wide, **like)

    def attend(x: torch.Tensor, layers: list[nn.Linear]) -> torch.Tensor:
        query, key, value = (
            layer(x).unflatten(2, (4, -1)).transpose(1, 2).contiguous() for layer in layers[:3]
        )
        found = F.scaled_dot_product_attention(query, key, value)
        return dropout(layers[3](found.transpose(1, 2).reshape(x.shape)))

    def run() -> None:
        x = convolutions[0](activation(norms[0](image)))
        x = x + linears[0](activation(time))[:, :, None, None]
        x = image + convolutions[1](dropout(activation(norms[0](x))))
        tokens = linears[1](norms[0](x).flatten(2).transpose(1, 2).contiguous())
        tokens = tokens + attend(norms[1](tokens), linears[2:6])
        tokens = tokens + attend(norms[2](tokens), linears[6:10])
        left, right = widen(norms[3](tokens)).chunk(2, dim=-1)
        tokens = tokens + narrow(dropout(left * F.gelu(right)))
        x + linears[10](tokens).transpose(1, 2).reshape(image.shape).contiguous()

    return run, 21


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
