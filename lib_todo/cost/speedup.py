"""How many times faster a step is, by counting operations: a range, since machines differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ..plan import Grid
from ..settings import Settings
from .architectures import UNetShape
from .rates import Rates
from .unet import ATTENTION, ELEMENTWISE, Operation, unet_operations

# how many times longer an operation takes in attention than in a matrix product: equally long on
# CPUs, up to three times as long on GPUs or where the attention matrix is written to memory
ATTENTION_WEIGHTS = (1.0, 3.0)
# operations of a matrix product in the time of moving one byte; between a GPU's and a CPU's
FLOPS_PER_BYTE = 50


def speedup(
    shape: UNetShape, latent: Grid, settings: Settings, rates: Rates | None = None
) -> tuple[float, float]:
    """The least and the greatest speed-up to expect in one evaluation that is pooled.

    Args:
        shape: the U-Net's.
        latent: (height, width); an eighth of the image's pixels.
        settings: what is pooled.
        rates: the machine's; with them, both numbers are the same. None: not measured.
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
    """How many matrix product operations take as long as one in attention, or as moving a byte.

    `attention` has the former by the layer's channels.
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
    """The speed-up of a whole pass, from pairs: a share of its steps, and how much faster it is."""
    pairs = list(shares)
    return 1 / (1 - sum(share - share / step for share, step in pairs))


def range_in_words(least: float, most: float) -> str:
    """`1.32 to 1.61`, or `about 1.32` where both are the same."""
    low, high = f"{least:.2f}", f"{most:.2f}"
    return f"about {low}" if low == high else f"{low} to {high}"
