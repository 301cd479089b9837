"""ToDo by this repository's library, and the two bounds on what pooling can save."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.peers.case import Case, Method
from benchmarks.peers.names import DIFFUSERS
from lib_todo import Settings, token_downsampling
from lib_todo.plan import layer_factor, pooled_grid


def preset(name: str, whole_pass: bool = False) -> Method:
    """ToDo by one of the library's presets: for a call by itself, or for all steps of a pass."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        settings = Settings.from_preset(name, native_grid=case.settings.threshold)
        with token_downsampling(settings) as report:
            if not whole_pass:
                # a call behind the lead-in, as three in four are
                report.progress(1, 2)
            yield

    return apply


def todo(**changes: Any) -> Method:
    """ToDo with the case's settings, some of them changed."""
    return lambda case: token_downsampling(dataclasses.replace(case.settings, **changes))


def ideal(case: Case) -> contextlib.AbstractContextManager[None]:
    """As many keys as ToDo leaves, made in advance: pooling at no cost."""
    return ready_made_keys(case, pooled_sizes(case))


def floor(case: Case) -> contextlib.AbstractContextManager[None]:
    """One key in the layers that ToDo pools."""
    return ready_made_keys(case, dict.fromkeys(pooled_sizes(case), 1))


def pooled_sizes(case: Case) -> dict[int, int]:
    """Tokens to pooled tokens, for every grid of the U-Net that the rule pools."""
    sizes = {}
    for grid in case.grids:
        pooled = pooled_grid(grid, layer_factor(grid, case.grids[0], case.settings))
        if pooled != grid:
            sizes[grid[0] * grid[1]] = pooled[0] * pooled[1]
    return sizes


@contextlib.contextmanager
def ready_made_keys(case: Case, sizes: dict[int, int]) -> Iterator[None]:
    """Every self-attention `attn1` gets a context that was made in advance.

    Args:
        sizes: tokens of a layer to tokens of its ready-made context; others are left alone.
    """
    argument = "encoder_hidden_states" if case.kind == DIFFUSERS else "context"
    layers = [m for path, m in case.model.named_modules() if path.split(".")[-1] == "attn1"]
    made: dict[tuple[int, int], torch.Tensor] = {}
    for layer in layers:
        for tokens, keys in sizes.items():
            weight = layer.to_q.weight
            if (tokens, weight.shape[1]) not in made:
                made[tokens, weight.shape[1]] = torch.randn(
                    case.batch, keys, weight.shape[1], device=weight.device, dtype=weight.dtype
                )
        layer.forward = _with_ready_made(layer.forward, argument, made)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _with_ready_made(forward: Any, argument: str, made: dict[tuple[int, int], torch.Tensor]) -> Any:
    def call(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        keys = made.get((x.shape[1], x.shape[2]))
        return forward(x, *args, **kwargs if keys is None else {**kwargs, argument: keys})

    return call
