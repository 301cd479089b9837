"""The rule: which layers are pooled, by what factor, in which steps and passes."""

from __future__ import annotations

import dataclasses
import functools
import math
from fractions import Fraction
from typing import Any

from .reasons import Reason
from .settings import Settings

Grid = tuple[int, int]
# the factor of a layer, and why it is left alone (None: it is not)
Decision = tuple[float, "Reason | None"]
# Stable Diffusion's autoencoder turns 8 × 8 pixels into one latent
PIXELS_PER_LATENT = 8
MAX_FACTOR = 8


def scaled_factor(tokens: int, threshold: int, scale: float) -> int:
    """The whole factor, at least 1 and at most MAX_FACTOR, nearest to `scale` times the ratio.

    The ratio is sqrt(tokens) / threshold: how many times larger a grid is than the model's own.
    floor(scale · ratio + 0.5), in exact arithmetic on squares: the largest n with
    (2n - 1)² · threshold² <= 4 · scale² · tokens. A scale of 1 gives the authors' 2, 3 and 4 at
    1024, 1536 and 2048 pixels of SD 1.x (arXiv 2402.13573).
    """
    part = Fraction(scale).limit_denominator(1000)
    room = 4 * part.numerator**2 * tokens // (part.denominator * threshold) ** 2
    return min(max(1, (math.isqrt(room) + 1) // 2), MAX_FACTOR)


def takes_part(grid: Grid, largest: Grid, settings: Settings) -> bool:
    """Whether a layer of `grid` may be pooled: the picture is larger than `above` times trained.

    The threshold is the trained grid of the largest level. A larger picture exceeds the trained
    grid of every level by the same ratio, so with a `deep_scale` all levels are pooled together.
    With a `deep_scale` of 0 each level is compared with the threshold itself, as in the paper.
    """
    measured = largest if settings.deep_scale and math.prod(largest) > math.prod(grid) else grid
    return math.prod(measured) > (settings.above * settings.threshold) ** 2


def layer_factor(grid: Grid, largest: Grid, settings: Settings) -> float:
    """The factor per axis for a layer of `grid` in a pass whose largest grid is `largest`.

    1 leaves the layer alone. Grids are (height, width) in tokens. docs/measurements has the errors
    and times by which the automatic factors were chosen.
    """
    if not takes_part(grid, largest, settings):
        return 1
    if math.prod(grid) >= math.prod(largest):
        return settings.factor or scaled_factor(math.prod(grid), settings.threshold, settings.scale)
    if settings.deep_factor:
        return settings.deep_factor
    if settings.deep_scale:
        return scaled_factor(math.prod(largest), settings.threshold, settings.deep_scale)
    return scaled_factor(math.prod(grid), settings.threshold, 1)


@functools.lru_cache(maxsize=256)
def with_papers_factors(settings: Settings) -> Settings:
    """The settings with automatic factors no greater than the paper's; explicit factors stay."""
    changes: dict[str, Any] = {}
    if not settings.factor:
        changes["scale"] = min(settings.scale, 1.0)
        changes["above"] = max(settings.above, 1.0)
    if not settings.deep_factor:
        changes["deep_scale"] = 0.0
    return dataclasses.replace(settings, **changes) if changes else settings


def pooled_grid(grid: Grid, factor: float) -> Grid:
    """The grid after pooling: rounded up for a whole factor, else to the nearest; at least 1.

    Also that of a level at 1/`factor` of the latent: the U-Net's convolutions round up, too.
    """
    if factor == int(factor):
        whole = int(factor)
        return -(-grid[0] // whole), -(-grid[1] // whole)
    height, width = (max(1, math.floor(side / factor + 0.5)) for side in grid)
    return height, width


def in_window(fraction: float, start: float, end: float) -> bool:
    """Whether an evaluation after `fraction` of its pass lies in [start, end)."""
    return start <= fraction < end or (fraction >= 1 and start < end == 1)


def closed_pass(pass_name: str, settings: Settings) -> Reason | None:
    """Why the pass ("first" or "hires") has no step in which layers are pooled; None: it has."""
    if settings.passes not in ("both", pass_name):
        return Reason.OTHER_PASS
    return Reason.OUTSIDE_WINDOW if settings.start == settings.end else None


def decide(
    grid: Grid, largest: Grid, settings: Settings, careful: Reason | None = None
) -> Decision:
    """The factor of a self-attention layer, and why the rule leaves it alone (None: it does not).

    Args:
        largest: the largest grid of the model's call that is under way.
        careful: why automatic factors are no greater than the paper's; None: they may be.
    """
    used = with_papers_factors(settings) if careful else settings
    factor = layer_factor(grid, largest, used)
    if pooled_grid(grid, factor) != grid:
        return factor, None
    if careful and decide(grid, largest, settings)[1] is None:
        return 1, careful
    is_large = takes_part(grid, largest, settings)
    return 1, Reason.FACTOR_ONE if is_large else Reason.BELOW_THRESHOLD


def latent_grid(width: int, height: int) -> Grid:
    """The latent's (height, width) for an image in pixels."""
    return height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT
