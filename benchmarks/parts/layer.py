"""One self-attention layer at real sizes: every pooling method, and both bounds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.models import attention_backends
from benchmarks.peers.names import DENSE, FLOOR, IDEAL
from benchmarks.running.bench import Bench, Methods
from lib_todo import Settings, token_downsampling
from lib_todo.plan import layer_factor, pooled_grid
from lib_todo.settings import METHODS

BATCH = 2
# heads, and channels a head
LAYERS = {
    "SD 1.x, 8 heads of 40": (8, 40),
    "SD 1.x, 8 heads of 80": (8, 80),
    "SD 1.x, 8 heads of 160": (8, 160),
    "SDXL, 10 heads of 64": (10, 64),
    "SDXL, 20 heads of 64": (20, 64),
}
METHOD_NAMES = (DENSE, *(f"ToDo {name}" for name in METHODS), IDEAL, FLOOR)


def methods_for(layer: Any, tokens: torch.Tensor, side: int, settings: Settings) -> Methods:
    """By METHOD_NAMES, context managers; each yields the function that runs the layer.

    Args:
        layer: diffusers' Attention.
        tokens: its input, `[b, side·side, c]`.
    """
    grid = (side, side)
    height, width = pooled_grid(grid, layer_factor(grid, grid, settings))

    def with_keys(count: int) -> Callable[[], Any]:
        keys = torch.randn_like(tokens[:, :count])
        return lambda: contextlib.nullcontext(lambda: layer(tokens, encoder_hidden_states=keys))

    @contextlib.contextmanager
    def pooled(method: str) -> Iterator[Callable[[], Any]]:
        run = token_downsampling(dataclasses.replace(settings, method=method))
        with run:
            # as a spatial transformer's call would do
            run.enter_transformer(layer, grid)
            yield lambda: layer(tokens)
            run.leave_transformer()

    return {
        DENSE: lambda: contextlib.nullcontext(lambda: layer(tokens)),
        **{f"ToDo {name}": lambda name=name: pooled(name) for name in METHODS},
        IDEAL: with_keys(height * width),
        FLOOR: with_keys(1),
    }


def measure(
    bench: Bench,
    names: list[str],
    sides: list[int],
    settings: Settings,
    wanted: list[str] | None = None,
) -> None:
    """Times and peaks of each layer at each side in tokens.

    Args:
        wanted: names of methods; all without it.
    """
    from diffusers.models.attention_processor import Attention

    bench.store.set_conditions("layer", threshold=settings.threshold)
    for name in names:
        heads, head_channels = LAYERS[name]
        width = heads * head_channels
        with torch.device(bench.device):
            layer = Attention(width, heads=heads, dim_head=head_channels)
        layer = layer.to(bench.dtype).eval().requires_grad_(False)
        for side in sides:
            shape = (BATCH, side * side, width)
            tokens = torch.randn(shape, device=bench.device, dtype=bench.dtype)
            for kernel in attention_backends.usable(bench.device, bench.dtype):
                key = ("layer", name, kernel, str(side))
                if not attention_backends.fits(kernel, BATCH * heads * side**4, bench.device):
                    bench.store.note(" | ".join(key), attention_backends.TOO_LARGE)
                    continue
                methods = methods_for(layer, tokens, side, settings)
                methods = {each: methods[each] for each in methods if each in (wanted or methods)}
                with attention_backends.using(kernel):
                    bench.memory(key, methods)
                    bench.interleave(key, methods)
