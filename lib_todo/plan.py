"""The rule: which layers are pooled, by what factor, in which steps and passes."""

from __future__ import annotations

import math

from .position import Position
from .reasons import Reason
from .settings import Settings

Grid = tuple[int, int]
# an autoencoder of Stable Diffusion makes one latent of 8 × 8 pixels
PIXELS_PER_LATENT = 8


def auto_factor(tokens: int, threshold: int) -> int:
    """The whole factor, at least 1, that brings `tokens` nearest to a grid `threshold` a side.

    floor(sqrt(tokens) / threshold + 0.5), in integers so that no rounding can tip it. It gives the
    authors' 2, 3 and 4 at 1024, 1536 and 2048 pixels of SD 1.x (arXiv 2402.13573).
    """
    return max(1, (math.isqrt(4 * tokens) + threshold) // (2 * threshold))


def layer_factor(grid: Grid, largest: Grid, settings: Settings) -> float:
    """The factor per axis for a layer of `grid` in a pass whose largest grid is `largest`.

    1 leaves the layer alone. Grids are (height, width) in tokens.
    """
    tokens = grid[0] * grid[1]
    if tokens <= settings.threshold**2:
        return 1
    is_largest = tokens >= largest[0] * largest[1]
    wanted = settings.factor if is_largest else settings.deep_factor
    return wanted if wanted else auto_factor(tokens, settings.threshold)


def pooled_grid(grid: Grid, factor: float) -> Grid:
    """The grid that is left: ceil for a whole factor, else rounded; at least 1 a side."""
    if factor == int(factor):
        whole = int(factor)
        return -(-grid[0] // whole), -(-grid[1] // whole)
    return tuple(max(1, math.floor(side / factor + 0.5)) for side in grid)


def in_window(step: int, total: int, start: float, end: float) -> bool:
    """Whether `step` of `total` (counted from 0) lies in [start, end) of the pass.

    Samplers that run past their own count (Restart, adaptive ones) stay in their last step.
    """
    fraction = min(max(step, 0), total - 1) / total
    return start <= fraction < end


def pass_wanted(pass_name: str, passes: str) -> bool:
    """Whether the pass ("first" or "hires") is among the chosen `passes`."""
    return passes in ("both", pass_name)


def decide(
    grid: Grid, largest: Grid, settings: Settings, position: Position
) -> tuple[float, Reason | None]:
    """The factor for a self-attention layer, and why it is left alone (None: it is pooled).

    Args:
        grid: the layer's (height, width) in tokens.
        largest: the largest grid of the evaluation that is under way.
        settings: what was asked for.
        position: where the sampling is.
    """
    if grid[0] * grid[1] <= settings.threshold**2:
        return 1, Reason.BELOW_THRESHOLD
    factor = layer_factor(grid, largest, settings)
    if factor == 1:
        return 1, Reason.FACTOR_ONE
    if position.foreign_evaluation:
        return 1, Reason.OTHER_GENERATION
    if not pass_wanted(position.pass_name, settings.passes):
        return 1, Reason.OTHER_PASS
    if not in_window(position.step, position.total, settings.start, settings.end):
        return 1, Reason.OUTSIDE_WINDOW
    return factor, None


def latent_grid(width: int, height: int) -> Grid:
    """The latent's (height, width) for an image in pixels."""
    return height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT


def level_grid(latent: Grid, downscale: int) -> Grid:
    """The token grid of a U-Net level at 1/`downscale` of a latent (height, width).

    Each level halves with a stride-2 convolution padded by one, which rounds up.
    """
    height, width = latent
    while downscale > 1:
        height, width, downscale = -(-height // 2), -(-width // 2), downscale // 2
    return height, width
