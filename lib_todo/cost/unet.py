"""What one call of a whole U-Net costs: its operations, counted by size.

The FLOPs of matrix products, convolutions and attention are exact, with a multiply-add counted as
two. What everything else moves is estimated from the number of times that plain PyTorch passes over
the activations.
"""

from __future__ import annotations

import functools
import math
from collections import Counter

from ..plan import Grid, layer_factor, pooled_grid
from ..settings import Settings
from .architectures import UNetShape

LATENT_CHANNELS = 4
PROMPT_TOKENS = 77
# what one result of a 3 × 3 convolution is computed from, of each channel
CONVOLVED = 9

# passes over the activations, a read or a write counting one each
RESIDUAL_IN_PASSES = 5  # group norm reads twice and writes, the activation reads and writes
RESIDUAL_OUT_PASSES = 10  # the time's addition 2, norm and activation 5, the residual 3
TRANSFORMER_PASSES = 10  # group norm 3, to tokens and back 4, the residual 3
BLOCK_PASSES = 38  # three layer norms 9, three residuals 9, the gated activation over 4c 20
CONCATENATION_PASSES = 2


class Work:
    """The work of one call of a U-Net for one latent of (height, width); None pools nothing.

    Attributes:
        products: FLOPs of matrix products and convolutions.
        attention: FLOPs of attention, by channels per head.
        moved: numbers that elementwise operations read and write.
        operations: how many operations there are.
    """

    def __init__(self, shape: UNetShape, latent: Grid, settings: Settings | None) -> None:
        self.products = self.moved = self.operations = 0
        self.attention: Counter[int] = Counter()
        self._shape = shape
        levels = pooled_levels(shape, latent, settings)
        self._sizes = [math.prod(grid) for grid, _ in levels]
        self._keys = [math.prod(pooled_grid(*level)) for level in levels]
        channels, depths, sizes = shape.channels, shape.depths, self._sizes
        width, deepest = channels[0], len(channels) - 1
        # of the time, and with SDXL of the size and the pooled prompt
        for inputs in filter(None, (width, shape.vector_width)):
            self._product(1, inputs, 4 * width)
            self._product(1, 4 * width, 4 * width)
        self._product(sizes[0], CONVOLVED * LATENT_CHANNELS, width)
        skips = [width]
        for level, outputs in enumerate(channels):
            for _ in range(2):
                self._block(level, width, depths[level])
                width = outputs
                skips.append(width)
            if level < deepest:
                self._product(sizes[level + 1], CONVOLVED * width, width)
                skips.append(width)
        self._block(deepest, width, shape.middle_depth)
        self._block(deepest, width, 0)
        for level in range(deepest, -1, -1):
            for _ in range(3):
                joined = width + skips.pop()
                self._elementwise(CONCATENATION_PASSES, sizes[level], joined)
                self._block(level, joined, depths[level])
                width = channels[level]
            if level:
                self._product(sizes[level - 1], CONVOLVED * width, width)
        self._elementwise(RESIDUAL_IN_PASSES, sizes[0], width)
        self._product(sizes[0], CONVOLVED * width, LATENT_CHANNELS)

    def _block(self, level: int, inputs: int, depth: int) -> None:
        """A residual block of a level, and the transformer behind it."""
        size, channels = self._sizes[level], self._shape.channels[level]
        self._product(size, CONVOLVED * inputs, channels)
        # the time
        self._product(1, 4 * self._shape.channels[0], channels)
        self._product(size, CONVOLVED * channels, channels)
        if inputs != channels:
            self._product(size, inputs, channels)
        self._elementwise(RESIDUAL_IN_PASSES, size, inputs)
        self._elementwise(RESIDUAL_OUT_PASSES, size, channels)
        if not depth:
            return
        self._product(size, channels, channels)
        for _ in range(depth):
            self._attention(size, self._keys[level], channels, channels)
            self._attention(size, PROMPT_TOKENS, channels, self._shape.context_width)
            self._product(size, channels, 8 * channels)
            self._product(size, 4 * channels, channels)
            self._elementwise(BLOCK_PASSES, size, channels)
        self._product(size, channels, channels)
        self._elementwise(TRANSFORMER_PASSES, size, channels)

    def _attention(self, queries: int, keys: int, channels: int, context_width: int) -> None:
        self._product(queries, channels, channels)
        self._product(keys, context_width, channels)
        self._product(keys, context_width, channels)
        # weights do not show the number of heads; SD 1.x, known by its prompt's width, has eight
        head_width = channels // 8 if self._shape.context_width == 768 else 64
        self.attention[head_width] += 4 * queries * keys * channels
        self.operations += 1
        self._product(queries, channels, channels)

    def _product(self, rows: int, inputs: int, outputs: int) -> None:
        self.products += 2 * rows * inputs * outputs
        self.operations += 1

    def _elementwise(self, passes: int, size: int, channels: int) -> None:
        self.moved += passes * size * channels
        self.operations += 1


work = functools.lru_cache(maxsize=256)(Work)


def pooled_levels(
    shape: UNetShape, latent: Grid, settings: Settings | None
) -> list[tuple[Grid, float]]:
    """The grid of each level, the largest first, and its factor; 1 where nothing is pooled."""
    grids = [pooled_grid(latent, 2**level) for level in range(len(shape.channels))]
    largest = pooled_grid(latent, min(shape.levels, default=1))
    pooled = shape.levels if settings is not None and settings.enabled else ()
    return [
        (grid, layer_factor(grid, largest, settings) if settings and 2**level in pooled else 1)
        for level, grid in enumerate(grids)
    ]
