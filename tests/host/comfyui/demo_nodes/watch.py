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
_queries = threading.local()


def watch(unet: nn.Module) -> None:
    """Record every call of the U-Net's self-attention layers from now on."""
    CALLS.clear()
    SIGMAS.clear()
    unet.register_forward_pre_hook(_note_sigma, with_kwargs=True)
    for name, module in unet.named_modules():
        if name.endswith(".attn1"):
            module.to_q.register_forward_pre_hook(_note_queries)
            module.to_k.register_forward_pre_hook(_note(name, "keys"))
            module.to_v.register_forward_pre_hook(_note(name, "values"))


@torch.compiler.disable
def _note_sigma(module: nn.Module, args: tuple, kwargs: dict) -> None:
    options = kwargs.get("transformer_options") or {}
    if "sigmas" in options:
        SIGMAS.append(float(options["sigmas"][0]))


@torch.compiler.disable
def _note_queries(module: nn.Module, args: tuple) -> None:
    _queries.tokens = args[0]


def _note(layer: str, role: str) -> Any:
    @torch.compiler.disable
    def hook(module: nn.Module, args: tuple) -> None:
        tokens = args[0]
        CALLS.append(
            {
                "layer": layer,
                "role": role,
                "evaluation": len(SIGMAS) - 1,
                "batch": tokens.shape[0],
                "queries": _queries.tokens.shape[1],
                "tokens": tokens.shape[1],
                "positions": positions(tokens[0], _queries.tokens[0]),
                # of the other half of the prompts where cond and uncond come in one batch
                "last_positions": positions(tokens[-1], _queries.tokens[-1]),
            }
        )

    return hook


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
