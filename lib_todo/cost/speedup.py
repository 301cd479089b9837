"""How many times faster a step is, from counts alone: a range, since machines differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

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
        weighings = [_Weights(dict.fromkeys(shape.channels, w)) for w in ATTENTION_WEIGHTS]
    else:
        weighings = [_weights_of(shape, rates)]
    found = [weights.cost(dense) / weights.cost(pooled) for weights in weighings]
    return min(found), max(found)


@dataclasses.dataclass(frozen=True)
class _Weights:
    """How many operations of a matrix product last as long as one of attention, and as one byte.

    `attention` gives the first by the layer's channels.
    """

    attention: Mapping[int, float]
    byte: float = FLOPS_PER_BYTE

    def cost(self, operations: Iterable[Operation]) -> float:
        total = 0.0
        for operation in operations:
            if operation.kind == ELEMENTWISE:
                total += operation.bytes * self.byte
            elif operation.kind == ATTENTION:
                total += operation.flops * self.attention[operation.channels]
            else:
                total += operation.flops
        return total


def _weights_of(shape: UNetShape, rates: Rates) -> _Weights:
    attention = {
        channels: rates.products / rates.attention_of(shape.head_width(channels))
        for channels in shape.channels
    }
    return _Weights(attention, rates.products / rates.bytes)


def speedup_of_pass(shares: Iterable[tuple[float, float]]) -> float:
    """The speed-up of a whole pass, a share of whose steps is so many times as fast, in turn."""
    pairs = list(shares)
    return 1 / (1 - sum(share - share / step for share, step in pairs))


def range_in_words(least: float, most: float) -> str:
    """`1.32 to 1.61`, or `about 1.32` where the two are one."""
    low, high = f"{least:.2f}", f"{most:.2f}"
    return f"about {low}" if low == high else f"{low} to {high}"
