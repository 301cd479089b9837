"""What self-attention costs: keys and operations, by architecture and size."""

from __future__ import annotations

import dataclasses

from ..plan import Grid, latent_grid, layer_factor, level_grid, pooled_grid
from ..settings import Settings
from .architectures import SHAPES, Level

# SD 1.x and 2.x differ only in the prompt's width, which does not matter to self-attention
ARCHITECTURES: dict[str, tuple[Level, ...]] = {
    "SD 1.x, 2.x": SHAPES["SD 1.x"].levels,
    "SDXL": SHAPES["SDXL"].levels,
}


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """One level's grid, keys and operations for one image, without pooling (dense) and with it."""

    level: Level
    grid: Grid
    pooled: Grid

    @property
    def dense_flops(self) -> int:
        """Operations of the level's layers without pooling."""
        return self.level.layers * attention_flops(
            _size(self.grid), _size(self.grid), self.level.channels
        )

    @property
    def pooled_flops(self) -> int:
        """Operations of the level's layers with pooling."""
        return self.level.layers * attention_flops(
            _size(self.grid), _size(self.pooled), self.level.channels
        )

    @property
    def dense_keys(self) -> int:
        """Keys of one layer without pooling."""
        return _size(self.grid)

    @property
    def pooled_keys(self) -> int:
        """Keys of one layer with pooling."""
        return _size(self.pooled)


def _size(grid: Grid) -> int:
    return grid[0] * grid[1]


def attention_flops(queries: int, keys: int, channels: int) -> int:
    """Operations of one self-attention layer, a multiply-add counting as two.

    Projections of the queries and of the output (2·N·c² each), of keys and values (2·M·c² each),
    and the two products with the attention matrix (2·N·M·c each).
    """
    return 4 * queries * channels**2 + 4 * keys * channels**2 + 4 * queries * keys * channels


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
