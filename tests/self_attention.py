"""The self-attention layers of a model, of ldm or diffusers, and how many keys they compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def self_attentions(model: nn.Module) -> list[nn.Module]:
    """Every block's first attention, in the model's order."""
    return [layer for name, layer in model.named_modules() if name.endswith(".attn1")]


@contextmanager
def keys_computed(*models: nn.Module) -> Iterator[list[tuple[int, int]]]:
    """(queries, keys) of every self-attention call, counted at its projections, in order."""
    queries: list[int] = []
    seen: list[tuple[int, int]] = []
    handles = []
    for layer in [layer for model in models for layer in self_attentions(model)]:
        handles += [
            layer.to_q.register_forward_pre_hook(lambda _, x: queries.append(x[0].shape[1])),
            layer.to_k.register_forward_pre_hook(
                lambda _, x: seen.append((queries[-1], x[0].shape[1]))
            ),
        ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
