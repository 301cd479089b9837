"""The self-attention layers of a model: the keys that they compute, or are given by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pooling_reference as reference
import torch
from torch import nn

from lib_todo.plan import pooled_grid


def self_attentions(model: nn.Module) -> list[nn.Module]:
    """Every block's first attention, in the model's order."""
    return [layer for name, layer in model.named_modules() if name.endswith(".attn1")]


@contextmanager
def keys_computed(*models: nn.Module) -> Iterator[list[tuple[int, int]]]:
    """(queries, keys) of every self-attention call, counted at its projections, in order."""
    queries: list[int] = []
    seen: list[tuple[int, int]] = []

    def see_queries(_: nn.Module, inputs: tuple) -> None:
        queries.append(inputs[0].shape[1])

    def see_keys(_: nn.Module, inputs: tuple) -> None:
        seen.append((queries[-1], inputs[0].shape[1]))

    with ExitStack() as hooks:
        for layer in [layer for model in models for layer in self_attentions(model)]:
            hooks.enter_context(layer.to_q.register_forward_pre_hook(see_queries))
            hooks.enter_context(layer.to_k.register_forward_pre_hook(see_keys))
        yield seen


@contextmanager
def pooled_by_hand(
    model: nn.Module, pool: Callable[[torch.Tensor], torch.Tensor | None]
) -> Iterator[None]:
    """Give each self-attention `pool` of its tokens as context, unless that is None."""

    def hook(_: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        pooled = pool(args[0])
        return args, kwargs if pooled is None else {**kwargs, "encoder_hidden_states": pooled}

    with ExitStack() as hooks:
        for layer in self_attentions(model):
            hooks.enter_context(layer.register_forward_pre_hook(hook, with_kwargs=True))
        yield


def by_loops(latent: tuple[int, int], downscale: int, factor: float, method: str = "nearest"):
    """Pools the tokens of the level at 1/`downscale` and leaves every other level's alone."""
    grid = pooled_grid(latent, downscale)

    def pool(tokens: torch.Tensor) -> torch.Tensor | None:
        if tokens.shape[1] != grid[0] * grid[1]:
            return None
        return reference.pool(tokens, grid, factor, method).to(tokens.dtype)

    return pool
