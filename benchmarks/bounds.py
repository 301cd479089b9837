"""The two bounds: keys handed over ready-made (ideal), and a single key (floor)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from lib_todo.plan import Grid, layer_factor, pooled_grid
from lib_todo.settings import Settings

Sizes = dict[int, int]


def pooled_sizes(grids: list[Grid], settings: Settings) -> Sizes:
    """Tokens to pooled tokens, for every grid of a U-Net that the rule pools."""
    sizes = {}
    for grid in grids:
        pooled = pooled_grid(grid, layer_factor(grid, grids[0], settings))
        if pooled != grid:
            sizes[grid[0] * grid[1]] = pooled[0] * pooled[1]
    return sizes


@contextlib.contextmanager
def ready_made_keys(model: Any, context_name: str, sizes: Sizes) -> Iterator[None]:
    """Every self-attention `attn1` of the model gets a context that was there before.

    Args:
        model: any module whose blocks have an `attn1`.
        context_name: the name of the argument that keys and values are computed from.
        sizes: tokens of a layer to tokens of its ready-made context; others are left alone.
    """
    layers = [m for path, m in model.named_modules() if path.split(".")[-1] == "attn1"]
    made: dict[tuple[int, ...], torch.Tensor] = {}
    for layer in layers:
        layer.forward = _with_ready_made(layer.forward, context_name, sizes, made)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _with_ready_made(forward: Any, context_name: str, sizes: Sizes, made: dict) -> Any:
    def call(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        keys = sizes.get(x.shape[1])
        if keys is None:
            return forward(x, *args, **kwargs)
        shape = (x.shape[0], keys, x.shape[2])
        if shape not in made:
            made[shape] = torch.randn(shape, device=x.device, dtype=x.dtype)
        return forward(x, **{**kwargs, context_name: made[shape]})

    return call
