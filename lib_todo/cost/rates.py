"""How fast a machine is at what a U-Net does: three rates, measured in a few seconds."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

ROUNDS = 3
HEADS, HEAD_WIDTH = 8, 40


@dataclasses.dataclass(frozen=True)
class Rates:
    """Operations a second of matrix products and of attention, and bytes a second moved.

    `itemsize` is the bytes of a number in the precision that they are of.
    """

    products: float
    attention: float
    bytes: float
    itemsize: int


def measure(device: torch.device, dtype: torch.dtype) -> Rates:
    """The rates by shapes of SD 1.x at 768 pixels: under a second on a GPU, some on a CPU."""
    like = {"device": device, "dtype": dtype}
    with torch.inference_mode():
        return Rates(
            products=_rate(*_products(like), device),
            attention=_rate(*_attention(like), device),
            bytes=_rate(*_moves(like), device),
            itemsize=torch.empty(0, dtype=dtype).element_size(),
        )


def _products(like: dict[str, Any]) -> tuple[Callable[[], Any], int]:
    tokens, weight = torch.randn(2304, 640, **like), torch.randn(640, 640, **like)
    image, kernel = torch.randn(1, 320, 48, 48, **like), torch.randn(320, 320, 3, 3, **like)

    def run() -> None:
        F.linear(tokens, weight)
        F.conv2d(image, kernel, padding=1)

    return run, 2 * 2304 * 640 * 640 + 2 * 9 * 48 * 48 * 320 * 320


def _attention(like: dict[str, Any]) -> tuple[Callable[[], Any], int]:
    # head by head behind one another in memory, as U-Nets hand them over
    query, key, value = (
        torch.randn(1, 2304, HEADS, HEAD_WIDTH, **like).transpose(1, 2) for _ in range(3)
    )
    operations = 4 * HEADS * 2304 * 2304 * HEAD_WIDTH
    return lambda: F.scaled_dot_product_attention(query, key, value), operations


def _moves(like: dict[str, Any]) -> tuple[Callable[[], Any], int]:
    image = torch.randn(1, 320, 96, 96, **like)
    # the norm reads twice and writes, the activation reads and writes, the sum reads two
    return lambda: F.silu(F.group_norm(image, 32)) + image, 8 * image.numel() * image.element_size()


def _rate(call: Callable[[], Any], amount: int, device: torch.device) -> float:
    call()
    return amount / statistics.median(_seconds(call, device) for _ in range(ROUNDS))


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
