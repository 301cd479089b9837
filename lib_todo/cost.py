"""What self-attention costs: keys and floating-point operations, by architecture and size."""

from __future__ import annotations

import dataclasses

from lib_todo.plan import Grid, layer_factor, level_grid, pooled_grid
from lib_todo.settings import Settings

PIXELS_PER_LATENT = 8


@dataclasses.dataclass(frozen=True)
class Level:
    """Self-attention layers of one U-Net level: 1/`downscale` of the latent, `channels` wide."""

    downscale: int
    channels: int
    layers: int


# counted in the published configurations: input, middle and output blocks times transformer depth
ARCHITECTURES: dict[str, tuple[Level, ...]] = {
    "SD 1.x, 2.x": (Level(1, 320, 5), Level(2, 640, 5), Level(4, 1280, 5), Level(8, 1280, 1)),
    "SDXL": (Level(2, 640, 10), Level(4, 1280, 60)),
}


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """One level's grid, keys and operations for one image, dense and pooled."""

    level: Level
    grid: Grid
    pooled: Grid

    @property
    def dense_flops(self) -> int:
        return self.level.layers * attention_flops(
            _size(self.grid), _size(self.grid), self.level.channels
        )

    @property
    def pooled_flops(self) -> int:
        return self.level.layers * attention_flops(
            _size(self.grid), _size(self.pooled), self.level.channels
        )


def _size(grid: Grid) -> int:
    return grid[0] * grid[1]


def attention_flops(queries: int, keys: int, channels: int) -> int:
    """Operations of one self-attention layer, a multiply-add counting as two.

    Projections of the queries and of the output (2·N·c² each), of keys and values (2·M·c² each),
    and the two products with the attention matrix (2·N·M·c each).
    """
    return 4 * queries * channels**2 + 4 * keys * channels**2 + 4 * queries * keys * channels


def latent_grid(width: int, height: int) -> Grid:
    """The latent's (height, width) for an image in pixels."""
    return height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT


def layer_costs(architecture: str, width: int, height: int, settings: Settings) -> list[LayerCost]:
    """What each level costs in one pass over an image of `width` × `height` pixels."""
    levels = ARCHITECTURES[architecture]
    grids = [level_grid(latent_grid(width, height), level.downscale) for level in levels]
    largest = grids[0]
    return [
        LayerCost(level, grid, pooled_grid(grid, layer_factor(grid, largest, settings)))
        for level, grid in zip(levels, grids)
    ]


def work_left(costs: list[LayerCost]) -> float:
    """The share of the self-attention operations that pooling leaves, 0 to 1."""
    return sum(cost.pooled_flops for cost in costs) / sum(cost.dense_flops for cost in costs)
