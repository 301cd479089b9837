"""The two bounds on what pooling can save: keys at no cost (ideal), and a single key (floor)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.peers.case import Case
from benchmarks.peers.names import DIFFUSERS, LDM
from lib_todo.plan import Grid, layer_factor, pooled_grid
from lib_todo.settings import Settings

# the argument of an attention that keys and values are computed from
CONTEXT_ARGUMENT = {DIFFUSERS: "encoder_hidden_states", LDM: "context"}

Sizes = dict[int, int]
# by a layer's tokens and channels
Made = dict[tuple[int, int], torch.Tensor]


def pooled_sizes(grids: list[Grid], settings: Settings) -> Sizes:
    """Tokens to pooled tokens, for every grid of a U-Net that the rule pools."""
    sizes = {}
    for grid in grids:
        pooled = pooled_grid(grid, layer_factor(grid, grids[0], settings))
        if pooled != grid:
            sizes[grid[0] * grid[1]] = pooled[0] * pooled[1]
    return sizes


@contextlib.contextmanager
def ready_made_keys(model: Any, context_name: str, sizes: Sizes, batch: int) -> Iterator[None]:
    """Every self-attention `attn1` of the model gets a context that was made in advance.

    Args:
        model: any module whose blocks have an `attn1`.
        context_name: the name of the argument that keys and values are computed from.
        sizes: tokens of a layer to tokens of its ready-made context; others are left alone.
        batch: images in a call.
    """
    layers = [m for path, m in model.named_modules() if path.split(".")[-1] == "attn1"]
    made: Made = {}
    for layer in layers:
        for tokens, keys in sizes.items():
            channels, weight = layer.to_q.in_features, layer.to_q.weight
            if (tokens, channels) not in made:
                shape = (batch, keys, channels)
                made[tokens, channels] = torch.randn(
                    shape, device=weight.device, dtype=weight.dtype
                )
        layer.forward = _with_ready_made(layer.forward, context_name, made)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _with_ready_made(forward: Any, context_name: str, made: Made) -> Any:
    def call(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        keys = made.get((x.shape[1], x.shape[2]))
        return forward(x, *args, **kwargs if keys is None else {**kwargs, context_name: keys})

    return call


@contextlib.contextmanager
def ideal(case: Case) -> Iterator[None]:
    """As many keys as ToDo leaves, ready-made."""
    sizes = pooled_sizes(case.grids, case.settings)
    with ready_made_keys(case.model, CONTEXT_ARGUMENT[case.kind], sizes, case.batch):
        yield


@contextlib.contextmanager
def floor(case: Case) -> Iterator[None]:
    """One key in the layers that ToDo pools."""
    sizes = dict.fromkeys(pooled_sizes(case.grids, case.settings), 1)
    with ready_made_keys(case.model, CONTEXT_ARGUMENT[case.kind], sizes, case.batch):
        yield
