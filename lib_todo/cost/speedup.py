"""How many times faster a step is, from counts alone: a range, since machines differ."""

from __future__ import annotations

from collections.abc import Iterable

from ..plan import Grid
from ..settings import Settings
from .architectures import UNetShape
from .rates import Rates
from .unet import ATTENTION, ELEMENTWISE, Operation, unet_operations

# how many times longer an operation of attention takes than one of a matrix product: as much on
# processors, and up to this with fused kernels on GPUs and with those that write the matrix out
ATTENTION_WEIGHTS = (1.0, 3.0)
# operations of a matrix product in the time of moving one byte; between a GPU's and a processor's
FLOPS_PER_BYTE = 50


def speedup(
    shape: UNetShape, latent: Grid, settings: Settings, rates: Rates | None = None
) -> tuple[float, float]:
    """The least and the greatest speed-up to expect of one evaluation that is pooled.

    Args:
        shape: the U-Net's.
        latent: (height, width); an eighth of the image's pixels.
        settings: what is pooled.
        rates: the machine's, with which the two are one; None where it was not measured.
    """
    itemsize = 2 if rates is None else rates.itemsize
    dense = unet_operations(shape, latent, None, batch=2, itemsize=itemsize)
    pooled = unet_operations(shape, latent, settings, batch=2, itemsize=itemsize)
    if rates is None:
        weights: list[tuple[float, float]] = [
            (weight, FLOPS_PER_BYTE) for weight in ATTENTION_WEIGHTS
        ]
    else:
        weights = [(rates.products / rates.attention, rates.products / rates.bytes)]
    found = [_cost(dense, *weight) / _cost(pooled, *weight) for weight in weights]
    return min(found), max(found)


def over_window(step: float, start: float, end: float) -> float:
    """The speed-up of a whole pass whose steps from `start` to `end` are `step` times as fast."""
    share = end - start
    return 1 / (1 - share + share / step)


def range_in_words(least: float, most: float) -> str:
    """`1.32 to 1.61`, or `about 1.32` where the two are one."""
    low, high = f"{least:.2f}", f"{most:.2f}"
    return f"about {low}" if low == high else f"{low} to {high}"


def _cost(operations: Iterable[Operation], attention: float, byte: float) -> float:
    """In operations of a matrix product: what one of attention and one byte weigh."""
    total = 0.0
    for operation in operations:
        if operation.kind == ELEMENTWISE:
            total += operation.bytes * byte
        else:
            total += operation.flops * (attention if operation.kind == ATTENTION else 1)
    return total
