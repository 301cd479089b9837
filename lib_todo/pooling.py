"""Pooling: tokens become a grid, the grid is downsampled, and becomes tokens again."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange

from .phase import FIXED, Phase
from .plan import Grid, pooled_grid
from .settings import METHODS, PHASED_METHODS, SettingsError

# where PyTorch's adaptive pooling fails for sizes that do not divide: max is wrong, average missing
WITHOUT_ADAPTIVE_POOLING = {"mps"}


class Pooling:
    """How the tokens of one grid become fewer; see `pool_tokens`.

    For `nearest` and `nearest-exact`, the tokens taken are an index, `[h'·w']`: a phase is data.
    One gather takes them whatever the factor, and a graph of torch.compile has it as an input.

    Attributes:
        tokens, kept: h·w and h'·w'.
        places, index: which tokens are taken, row by row; of no other method.
        text: tells it from others but for the phase.
    """

    def __init__(
        self, grid: Grid, factor: float, method: str, phase: Phase, device: torch.device
    ) -> None:
        self.grid, self.factor, self.method = grid, factor, method
        self._small = small = pooled_grid(grid, factor)
        self.tokens, self.kept = grid[0] * grid[1], small[0] * small[1]
        self.text = f"{self.tokens} {self.kept} {method}"
        self.places: list[int] = []
        if method in PHASED_METHODS:
            rows, columns = (
                token_places(side, cells, factor, method, place)
                for side, cells, place in zip(grid, small, phase)
            )
            self.places = [row * grid[1] + column for row in rows for column in columns]
        self.index = _as_index(self.places, device) if self.places else None

    def take(self, tokens: torch.Tensor) -> torch.Tensor:
        """The pooled tokens of one or several grids: `[b, n·h·w, c]` to `[b, n·h'·w', c]`."""
        if tokens.shape[1] != self.tokens:
            batch, _, width = tokens.shape
            return self.take(tokens.reshape(-1, self.tokens, width)).reshape(batch, -1, width)
        index = self.index
        if index is None:
            planes = rearrange(tokens, "b (h w) c -> b c h w", h=self.grid[0])
            return rearrange(self._combine(planes), "b c h w -> b (h w) c")
        if type(tokens) is not torch.Tensor:
            # torch.export's tensors are of a class of its own, which must not meet a real index
            index = _as_index(self.places, tokens.device)
        return tokens.index_select(1, index)

    def _combine(self, planes: torch.Tensor) -> torch.Tensor:
        """One value of all tokens of each cell: `[b, c, h, w]` to `[b, c, h', w']`."""
        if self.method == "bilinear":
            return F.interpolate(planes, size=self._small, mode="bilinear")
        if self.factor == int(self.factor):
            # PyTorch refuses a window larger than the image
            height, width = (min(int(self.factor), side) for side in self.grid)
            if self.method == "max":
                return F.max_pool2d(planes, (height, width), ceil_mode=True)
            return F.avg_pool2d(planes, (height, width), ceil_mode=True, count_include_pad=False)
        pool: Callable = F.adaptive_max_pool2d if self.method == "max" else F.adaptive_avg_pool2d
        if planes.device.type in WITHOUT_ADAPTIVE_POOLING:
            # by the processor, in single precision since it may lack half
            return pool(planes.float().cpu(), self._small).to(planes)
        return pool(planes, self._small)


# the same one each time: its index is made once, not in every step. There are 64 phases at most for
# a grid, and SD 1.x has four grids a picture
pooling = functools.lru_cache(maxsize=512)(Pooling)


def pool_tokens(
    tokens: torch.Tensor, grid: Grid, factor: float, method: str = "nearest", phase: Phase = FIXED
) -> torch.Tensor:
    """Downsample the tokens of an image (arXiv 2402.13573, section 3).

    Args:
        tokens: `[b, h·w, c]`, row by row; any strides, any floating dtype.
        grid: `(h, w)` in tokens.
        factor: per axis, 1 or more. A whole factor gives `ceil(h/f) × ceil(w/f)` tokens, where the
            last cell of a row or column may be smaller; a fractional one resamples to the rounded
            size.
        method: `nearest` (the lattice `::f`, top left, as in the paper), `nearest-exact` (the
            token at the middle of each cell), `average`, `max`, `bilinear`.
        phase: (row, column), each from 0 to ceil(factor) - 1: how many places further the token is
            taken, for `nearest` and `nearest-exact`. With a whole factor and `nearest`, cell i of a
            row takes token min(i·f + column, w - 1); with a fractional one, token
            floor((i + column / ceil(f)) · w / w').

    Returns:
        `[b, h'·w', c]`, the same shape for every phase; `tokens` itself where the grid does not
        get smaller.

    Raises:
        SettingsError: factor below 1, NaN or infinite; an unknown method; a phase outside of the
            cell, or any but (0, 0) for a method that has none.
        ValueError: tokens that are not `[b, h·w, c]` for the grid.
    """
    is_number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
    if not is_number or not 1 <= factor < math.inf:
        raise SettingsError("factor", factor, "a finite number of at least 1")
    if method not in METHODS:
        raise SettingsError("method", method, "one of " + ", ".join(METHODS))
    last = math.ceil(factor) - 1 if method in PHASED_METHODS else 0
    if any(not 0 <= place <= last for place in phase):
        allowed = f"two whole numbers from 0 to {last} for {method} by {factor:g}"
        raise SettingsError("phase", phase, allowed)
    height, width = grid
    if tokens.ndim != 3 or tokens.shape[1] != height * width or height < 1 or width < 1:
        raise ValueError(
            f"ToDo: tokens of shape {tuple(tokens.shape)} are not [b, h·w, c] "
            f"for a grid of {height}×{width}"
        )
    small = pooled_grid(grid, factor)
    if small == (height, width):
        return tokens
    whole, (top, left) = int(factor), phase
    if method == "nearest" and factor == whole:
        # a strided view, where each cell has a token there: the rearrange makes the only copy
        image = rearrange(tokens, "b (h w) c -> b h w c", h=height)[:, top::whole, left::whole]
        if image.shape[1:3] == small:
            return rearrange(image, "b h w c -> b (h w) c")
    return pooling((height, width), factor, method, phase, tokens.device).take(tokens)


def token_places(side: int, small: int, factor: float, method: str, place: int) -> list[int]:
    """Which of the `side` tokens along an axis each of the `small` cells takes, by its phase."""
    cells = math.ceil(factor)
    if factor != int(factor):
        # in halves of a place; nearest-exact starts at the middle of the cell and wraps around
        half = (2 * place + cells * (method == "nearest-exact")) % (2 * cells)
        places = ((2 * cells * cell + half) * side // (2 * cells * small) for cell in range(small))
        return [min(token, side - 1) for token in places]
    starts = range(0, side, cells)
    if method == "nearest":
        return [min(start + place, side - 1) for start in starts]
    if place == 0:
        return [start + min(cells, side - start) // 2 for start in starts]
    return [min(start + (cells // 2 + place) % cells, side - 1) for start in starts]


def _as_index(places: list[int], device: torch.device) -> torch.Tensor:
    with torch.inference_mode(False):
        # nothing waits for a GPU meanwhile
        index = torch.tensor(places, device="cpu")
        return index.to(device, non_blocking=device.type == "cuda")
