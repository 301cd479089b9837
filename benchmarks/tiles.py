"""HyperTile's arithmetic on any diffusers U-Net: the WebUI's own knows layers of SD 1.x by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from einops import rearrange

Grid = tuple[int, int]


@contextlib.contextmanager
def tiled(unet: torch.nn.Module, latent: Grid, tile: int) -> Iterator[None]:
    """Every self-attention inside the `with` sees only its own tile of the picture.

    Args:
        latent: height and width of the U-Net's input.
        tile: the tile's side in latents, at every level: half as many tokens where the level is
            half as large. A grid that tiles of that side do not fill is left whole.

    Source: HyperTile (tfernd), `split_attention`, without its random tile sizes.
    """
    hooks = []
    for transformer in unet.modules():
        if isinstance(transformer, Transformer2DModel):
            tiling = _Tiling(latent, tile)
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


class _Tiling:
    """The tiles of one spatial transformer's tokens."""

    def __init__(self, latent: Grid, tile: int) -> None:
        self.latent, self.tile = latent, tile
        self.counts: Grid = (1, 1)
        self.sides: Grid = latent

    def see(self, module: Any, args: tuple[Any, ...]) -> None:
        """Work out the tiles from the grid, `[b, c, h, w]`."""
        grid = args[0].shape[-2:]
        side = max(1, self.tile * grid[0] // self.latent[0])
        fits = all(length % side == 0 for length in grid)
        self.counts = tuple(length // side for length in grid) if fits else (1, 1)
        self.sides = (side, side) if fits else tuple(grid)

    def cut(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Tokens `[b, h·w, c]` to `[b·tiles, tokens of a tile, c]`."""
        (rows, columns), (h, w) = self.counts, self.sides
        tokens = rearrange(
            args[0],
            "b (rows h columns w) c -> (b rows columns) (h w) c",
            rows=rows,
            columns=columns,
            h=h,
            w=w,
        )
        return (tokens, *args[1:]), kwargs

    def join(self, module: Any, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        """The other way round."""
        (rows, columns), (h, w) = self.counts, self.sides
        return rearrange(
            output,
            "(b rows columns) (h w) c -> b (rows h columns w) c",
            rows=rows,
            columns=columns,
            h=h,
            w=w,
        )
