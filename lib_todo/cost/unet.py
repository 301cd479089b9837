"""What one call of a whole U-Net costs: every operation's count of FLOPs and bytes, by size.

The FLOPs of matrix products, convolutions and attention are exact, with a multiply-add counted as
two. So are their bytes, if operands are read once and results written once. The bytes of
everything else, kind "elementwise", are estimated from the number of times that plain PyTorch
passes over the activations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from ..plan import Grid, layer_factor, level_grid, pooled_grid
from ..settings import Settings
from .architectures import UNetShape

CONVOLUTION = "convolution"
LINEAR = "linear"
ATTENTION = "attention"
ELEMENTWISE = "elementwise"
KINDS = (CONVOLUTION, LINEAR, ATTENTION, ELEMENTWISE)

LATENT_CHANNELS = 4
PROMPT_TOKENS = 77

# passes over the activations, a read or a write counting one each
RESIDUAL_IN_PASSES = 5  # group norm reads twice and writes, the activation reads and writes
RESIDUAL_OUT_PASSES = 10  # the time's addition 2, norm and activation 5, the residual 3
TRANSFORMER_PASSES = 10  # group norm 3, to tokens and back 4, the residual 3
BLOCK_PASSES = 38  # three layer norms 9, three residuals 9, the gated activation over 4c 20
CONCATENATION_PASSES = 2


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of the U-Net: its kind (one of KINDS), FLOPs, and bytes read and written.

    `channels` is the width of an attention, whose rate depends on it; 0 elsewhere.
    """

    kind: str
    flops: int
    bytes: int
    channels: int = 0


@dataclasses.dataclass(frozen=True)
class _Counter:
    """Counts operations for one shape, latent and batch."""

    shape: UNetShape
    grids: tuple[Grid, ...]
    factors: tuple[float, ...]
    batch: int
    itemsize: int

    def linear(self, rows: int, inputs: int, outputs: int, bias: bool = True) -> Operation:
        rows *= self.batch
        numbers = rows * inputs + inputs * outputs + bias * outputs + rows * outputs
        return Operation(LINEAR, 2 * rows * inputs * outputs, self.itemsize * numbers)

    def convolution(self, source: int, size: int, inputs: int, outputs: int) -> Operation:
        """A 3×3 one from `source` to `size` positions."""
        weights = 9 * inputs * outputs
        numbers = self.batch * (source * inputs + size * outputs) + weights + outputs
        return Operation(CONVOLUTION, 2 * self.batch * size * weights, self.itemsize * numbers)

    def attention(self, queries: int, keys: int, channels: int) -> Operation:
        flops = 4 * self.batch * queries * keys * channels
        numbers = 2 * self.batch * (queries + keys) * channels
        return Operation(ATTENTION, flops, self.itemsize * numbers, channels)

    def elementwise(self, passes: int, size: int, channels: int) -> Operation:
        return Operation(ELEMENTWISE, 0, self.itemsize * self.batch * passes * size * channels)

    def size(self, level: int) -> int:
        return math.prod(self.grids[level])

    def keys(self, level: int) -> int:
        """The self-attention keys that the settings leave at a level."""
        return math.prod(pooled_grid(self.grids[level], self.factors[level]))

    def residual(self, level: int, inputs: int, outputs: int) -> Iterator[Operation]:
        size = self.size(level)
        yield self.convolution(size, size, inputs, outputs)
        yield self.linear(1, 4 * self.shape.channels[0], outputs)
        yield self.convolution(size, size, outputs, outputs)
        if inputs != outputs:
            yield self.linear(size, inputs, outputs)
        yield self.elementwise(RESIDUAL_IN_PASSES, size, inputs)
        yield self.elementwise(RESIDUAL_OUT_PASSES, size, outputs)

    def transformer(self, level: int, depth: int) -> Iterator[Operation]:
        size, channels = self.size(level), self.shape.channels[level]
        if not depth:
            return
        yield self.linear(size, channels, channels)
        for _ in range(depth):
            yield from self.attention_layer(size, self.keys(level), channels, channels)
            yield from self.attention_layer(size, PROMPT_TOKENS, channels, self.shape.context_width)
            yield self.linear(size, channels, 8 * channels)
            yield self.linear(size, 4 * channels, channels)
            yield self.elementwise(BLOCK_PASSES, size, channels)
        yield self.linear(size, channels, channels)
        yield self.elementwise(TRANSFORMER_PASSES, size, channels)

    def attention_layer(
        self, queries: int, keys: int, channels: int, context_width: int
    ) -> Iterator[Operation]:
        yield self.linear(queries, channels, channels, bias=False)
        yield self.linear(keys, context_width, channels, bias=False)
        yield self.linear(keys, context_width, channels, bias=False)
        yield self.attention(queries, keys, channels)
        yield self.linear(queries, channels, channels)

    def embeddings(self) -> Iterator[Operation]:
        first = self.shape.channels[0]
        for width in filter(None, (first, self.shape.vector_width)):
            yield self.linear(1, width, 4 * first)
            yield self.linear(1, 4 * first, 4 * first)

    def operations(self) -> Iterator[Operation]:
        channels, depths = self.shape.channels, self.shape.depths
        deepest = len(channels) - 1
        yield from self.embeddings()
        yield self.convolution(self.size(0), self.size(0), LATENT_CHANNELS, channels[0])
        skips, width = [channels[0]], channels[0]
        for level, outputs in enumerate(channels):
            for _ in range(2):
                yield from self.residual(level, width, outputs)
                yield from self.transformer(level, depths[level])
                width = outputs
                skips.append(width)
            if level < deepest:
                yield self.convolution(self.size(level), self.size(level + 1), width, width)
                skips.append(width)
        yield from self.residual(deepest, width, width)
        yield from self.transformer(deepest, self.shape.middle_depth)
        yield from self.residual(deepest, width, width)
        for level in range(deepest, -1, -1):
            for _ in range(3):
                joined = width + skips.pop()
                yield self.elementwise(CONCATENATION_PASSES, self.size(level), joined)
                yield from self.residual(level, joined, channels[level])
                yield from self.transformer(level, depths[level])
                width = channels[level]
            if level:
                yield self.convolution(self.size(level - 1), self.size(level - 1), width, width)
        yield self.elementwise(RESIDUAL_IN_PASSES, self.size(0), width)
        yield self.convolution(self.size(0), self.size(0), width, LATENT_CHANNELS)


def unet_operations(
    shape: UNetShape,
    latent: Grid,
    settings: Settings | None = None,
    batch: int = 1,
    itemsize: int = 2,
) -> list[Operation]:
    """Every operation of one call of the U-Net.

    Args:
        shape: one of `architectures.SHAPES`.
        latent: (height, width); an eighth of the image's pixels.
        settings: what is pooled; None for dense.
        batch: images in the call, two for each with classifier-free guidance.
        itemsize: bytes of a number, 2 for half precision.
    """
    grids, factors = _grids(shape, latent), pooled_levels(shape, latent, settings)
    return list(_Counter(shape, grids, factors, batch, itemsize).operations())


def pooled_levels(shape: UNetShape, latent: Grid, settings: Settings | None) -> tuple[float, ...]:
    """The factor of each level, the largest first; 1 where nothing is pooled."""
    grids = _grids(shape, latent)
    if settings is None or not settings.enabled or not shape.levels:
        return (1,) * len(grids)
    used = {level.downscale for level in shape.levels}
    largest = level_grid(latent, min(used))
    return tuple(
        layer_factor(grid, largest, settings) if 2**index in used else 1
        for index, grid in enumerate(grids)
    )


def _grids(shape: UNetShape, latent: Grid) -> tuple[Grid, ...]:
    return tuple(level_grid(latent, 2**index) for index in range(len(shape.channels)))
