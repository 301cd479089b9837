"""What the self-attention layers of the demo's U-Net were really handed, seen from outside.

Hooks on each `attn1`'s projections see queries, keys and values whoever calls them: the layer
itself or a function that another extension put in its place.
"""

from __future__ import annotations

import threading
from typing import Any

import torch
from aiohttp import web
from server import PromptServer
from torch import nn

CALLS: list[dict[str, Any]] = []
SIGMAS: list[float] = []
_here = threading.local()


def watch(unet: nn.Module) -> None:
    """Record every call of the U-Net's self-attention layers from now on."""
    CALLS.clear()
    SIGMAS.clear()
    unet.register_forward_pre_hook(_note_sigma, with_kwargs=True)
    for name, module in unet.named_modules():
        if hasattr(module, "transformer_blocks"):
            module.register_forward_pre_hook(_note_grid)
        elif name.endswith(".attn1"):
            module.to_q.register_forward_pre_hook(_note_queries)
            for projection in (module.to_k, module.to_v):
                projection.register_forward_pre_hook(_note_tokens)


@torch.compiler.disable
def _note_sigma(module: nn.Module, args: tuple, kwargs: dict) -> None:
    options = kwargs.get("transformer_options") or {}
    if "sigmas" in options:
        SIGMAS.append(float(options["sigmas"][0]))


@torch.compiler.disable
def _note_grid(module: nn.Module, args: tuple) -> None:
    _here.grid = tuple(args[0].shape[2:])


@torch.compiler.disable
def _note_queries(module: nn.Module, args: tuple) -> None:
    _here.queries = args[0]


@torch.compiler.disable
def _note_tokens(module: nn.Module, args: tuple) -> None:
    tokens, queries = args[0], _here.queries
    CALLS.append(
        {
            "step": len(SIGMAS) - 1,
            "grid": _here.grid,
            "queries": queries.shape[1],
            "tokens": tokens.shape[1],
            "first": positions(tokens[0], queries[0]),
            # of the other half of the prompts where cond and uncond come in one batch
            "last": positions(tokens[-1], queries[-1]),
        }
    )


def positions(tokens: torch.Tensor, grid: torch.Tensor) -> list[int]:
    """Where each of the tokens `[k, c]` stands in the grid `[n, c]`; -1 where it is not there."""
    places = {row.tobytes(): place for place, row in enumerate(grid.detach().numpy())}
    return [places.get(row.tobytes(), -1) for row in tokens.detach().numpy()]


def add_routes() -> None:
    """GET /tests/calls: the record, as JSON; DELETE begins a new one."""

    @PromptServer.instance.routes.get("/tests/calls")
    async def calls(request: web.Request) -> web.Response:
        return web.json_response({"calls": CALLS, "sigmas": SIGMAS})

    @PromptServer.instance.routes.delete("/tests/calls")
    async def reset(request: web.Request) -> web.Response:
        CALLS.clear()
        SIGMAS.clear()
        return web.json_response({})
