"""Pooling: tokens to a grid, the grid made smaller, and back to tokens."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange

from .plan import Grid, pooled_grid
from .settings import METHODS, SettingsError


def pool_tokens(
    tokens: torch.Tensor, grid: Grid, factor: float, method: str = "nearest"
) -> torch.Tensor:
    """Downsample the tokens of an image (arXiv 2402.13573, section 3).

    Args:
        tokens: `[b, h·w, c]`, row by row; any strides, any floating dtype.
        grid: `(h, w)` in tokens.
        factor: per axis, 1 or more. A whole one gives `ceil(h/f) × ceil(w/f)` tokens and the last
            cell of a row or column is smaller; a fractional one resamples to the rounded size.
        method: `nearest` (the lattice `::f`, top left, as in the paper), `nearest-exact` (the
            token at the middle of each cell), `average`, `max`, `bilinear`.

    Returns:
        `[b, h'·w', c]`; the very same tensor where the grid does not get smaller.

    Raises:
        SettingsError: factor below 1, NaN or infinite; an unknown method.
        ValueError: tokens that are not `[b, h·w, c]` for the grid.
    """
    if (
        isinstance(factor, bool)
        or not isinstance(factor, (int, float))
        or not 1 <= factor < math.inf
    ):
        raise SettingsError("factor", factor, "a finite number of at least 1")
    if method not in METHODS:
        raise SettingsError("method", method, "one of " + ", ".join(METHODS))
    height, width = grid
    if tokens.ndim != 3 or tokens.shape[1] != height * width or height < 1 or width < 1:
        raise ValueError(
            f"ToDo: tokens of shape {tuple(tokens.shape)} are not [b, h·w, c] "
            f"for a grid of {height}×{width}"
        )
    small = pooled_grid(grid, factor)
    if small == (height, width):
        return tokens
    image = rearrange(tokens, "b (h w) c -> b h w c", h=height)
    return rearrange(_POOLS[method](image, small, factor), "b h w c -> b (h w) c")


def _nearest(image: torch.Tensor, small: Grid, factor: float) -> torch.Tensor:
    if factor == int(factor):
        # a strided view: the rearrange that follows is the only copy
        return image[:, :: int(factor), :: int(factor)]
    rows, columns = ([i * n // m for i in range(m)] for n, m in zip(image.shape[1:3], small))
    return _pick(image, rows, columns)


def _nearest_exact(image: torch.Tensor, small: Grid, factor: float) -> torch.Tensor:
    rows, columns = (_cell_middles(n, m, factor) for n, m in zip(image.shape[1:3], small))
    return _pick(image, rows, columns)


def _cell_middles(side: int, small: int, factor: float) -> list[int]:
    if factor == int(factor):
        starts = range(0, side, int(factor))
        return [start + min(int(factor), side - start) // 2 for start in starts]
    return [(2 * i + 1) * side // (2 * small) for i in range(small)]


def _pick(image: torch.Tensor, rows: list[int], columns: list[int]) -> torch.Tensor:
    row_index = torch.tensor(rows, device=image.device)
    column_index = torch.tensor(columns, device=image.device)
    return image.index_select(1, row_index).index_select(2, column_index)


def _average(image: torch.Tensor, small: Grid, factor: float) -> torch.Tensor:
    planes = rearrange(image, "b h w c -> b c h w")
    if factor == int(factor):
        pooled = F.avg_pool2d(
            planes, _window(image, factor), ceil_mode=True, count_include_pad=False
        )
    else:
        pooled = F.adaptive_avg_pool2d(planes, small)
    return rearrange(pooled, "b c h w -> b h w c")


def _max(image: torch.Tensor, small: Grid, factor: float) -> torch.Tensor:
    planes = rearrange(image, "b h w c -> b c h w")
    if factor == int(factor):
        pooled = F.max_pool2d(planes, _window(image, factor), ceil_mode=True)
    else:
        pooled = F.adaptive_max_pool2d(planes, small)
    return rearrange(pooled, "b c h w -> b h w c")


def _window(image: torch.Tensor, factor: float) -> tuple[int, int]:
    # PyTorch wants no window larger than the image
    return min(int(factor), image.shape[1]), min(int(factor), image.shape[2])


def _bilinear(image: torch.Tensor, small: Grid, factor: float) -> torch.Tensor:
    planes = rearrange(image, "b h w c -> b c h w")
    return rearrange(F.interpolate(planes, size=small, mode="bilinear"), "b c h w -> b h w c")


_POOLS = {
    "nearest": _nearest,
    "nearest-exact": _nearest_exact,
    "average": _average,
    "max": _max,
    "bilinear": _bilinear,
}
