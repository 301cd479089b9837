"""HyperTile's attention on any diffusers U-Net; its own patch knows ldm's alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from einops import rearrange

from lib_todo.plan import Grid

WHOLE = "b (rows h columns w) c"
TILES = "(b rows columns) (h w) c"


@contextlib.contextmanager
def tiled(unet: torch.nn.Module, latent: Grid, tile: int) -> Iterator[None]:
    """Every self-attention inside the `with` sees only its own tile of the picture.

    Args:
        latent: height and width of the U-Net's input.
        tile: the least side of a tile in tokens of a grid as large as `latent`; on a grid half as
            large a tile has at least twice as many. Tiles are the smallest that fill the grid.

    Source: the WebUI's HyperTile for square pictures, `self_attn_forward` with `scale_depth`, of
    whose tile sizes a swap size of 1 leaves the smallest.
    """
    hooks = []
    for transformer in unet.modules():
        if isinstance(transformer, Transformer2DModel):
            tiling = Tiling(latent, tile)
            hooks.append(transformer.register_forward_pre_hook(tiling.see))
            for name, layer in transformer.named_modules():
                if isinstance(layer, Attention) and name.endswith("attn1"):
                    hooks.append(layer.register_forward_pre_hook(tiling.cut, with_kwargs=True))
                    hooks.append(layer.register_forward_hook(tiling.join))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Tiling:
    """The tiles of one spatial transformer's tokens."""

    def __init__(self, latent: Grid, tile: int) -> None:
        self.latent, self.tile = latent, tile
        self.sizes: dict[str, int] = {}

    def see(self, module: Any, args: tuple[Any, ...]) -> None:
        """Work out the tiles from the grid, `[b, c, h, w]`."""
        grid = args[0].shape[-2:]
        height, width = (
            smallest_divisor(length, at_least=self.tile * whole // length)
            for length, whole in zip(grid, self.latent)
        )
        counts = {"rows": grid[0] // height, "columns": grid[1] // width}
        self.sizes = {**counts, "h": height, "w": width}

    def cut(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return (rearrange(args[0], f"{WHOLE} -> {TILES}", **self.sizes), *args[1:]), kwargs

    def join(self, module: Any, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        return rearrange(output, f"{TILES} -> {WHOLE}", **self.sizes)


def smallest_divisor(length: int, at_least: int) -> int:
    """The least divisor of `length` from `at_least` on; the length itself where there is none."""
    return next((n for n in range(at_least, length) if length % n == 0), length)
