"""One self-attention layer at real sizes: every pooling method, both bounds, and pooling alone."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.models import attention_backends
from benchmarks.running.bench import Bench
from lib_todo import Settings, token_downsampling
from lib_todo.plan import layer_factor, pooled_grid
from lib_todo.pooling import pool_tokens
from lib_todo.settings import METHODS

BATCH = 2


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer's heads and channels a head."""

    heads: int
    head_channels: int

    @property
    def channels(self) -> int:
        """The layer's width."""
        return self.heads * self.head_channels


LAYERS = {
    "SD 1.x, 8 heads of 40": Layer(8, 40),
    "SD 1.x, 8 heads of 80": Layer(8, 80),
    "SD 1.x, 8 heads of 160": Layer(8, 160),
    "SDXL, 10 heads of 64": Layer(10, 64),
    "SDXL, 20 heads of 64": Layer(20, 64),
}

METHOD_NAMES = ("dense", *(f"ToDo {name}" for name in METHODS), "ideal", "floor")


def methods_for(layer: Any, tokens: torch.Tensor, side: int, settings: Settings) -> dict[str, Any]:
    """By METHOD_NAMES, context managers; each yields the function that runs the layer.

    Args:
        layer: diffusers' Attention.
        tokens: its input, `[b, side·side, c]`.
    """
    grid = (side, side)
    small = pooled_grid(grid, layer_factor(grid, grid, settings))

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
        "dense": lambda: contextlib.nullcontext(lambda: layer(tokens)),
        **{f"ToDo {name}": lambda name=name: pooled(name) for name in METHODS},
        "ideal": with_keys(small[0] * small[1]),
        "floor": with_keys(1),
    }


def measure(
    bench: Bench,
    names: list[str],
    sides: list[int],
    settings: Settings,
    wanted: list[str] | None = None,
) -> None:
    """Times and peaks of each layer at each side in tokens, and of pooling alone.

    Args:
        wanted: names of methods; all without it.
    """
    from diffusers.models.attention_processor import Attention

    for part in ("layer", "pooling"):
        bench.store.set_conditions(part, threshold=settings.threshold)
    for name in names:
        shape = LAYERS[name]
        with torch.device(bench.device):
            layer = Attention(shape.channels, heads=shape.heads, dim_head=shape.head_channels)
        layer = layer.to(bench.dtype).eval().requires_grad_(False)
        for side in sides:
            tokens = torch.randn(
                BATCH, side * side, shape.channels, device=bench.device, dtype=bench.dtype
            )
            for kernel in attention_backends.usable(bench.device, bench.dtype):
                key = (name, kernel, str(side))
                if not attention_backends.fits(kernel, BATCH * shape.heads * side**4, bench.device):
                    bench.store.note(" | ".join(("layer", *key)), attention_backends.TOO_LARGE)
                    continue
                methods = methods_for(layer, tokens, side, settings)
                if wanted:
                    methods = {each: methods[each] for each in methods if each in wanted}
                with attention_backends.using(kernel):
                    _measure_kernel(bench, key, methods)
            _measure_pooling(bench, name, tokens, side, settings)


def _measure_kernel(bench: Bench, key: tuple[str, ...], methods: dict[str, Any]) -> None:
    bench.memory(("layer", *key), methods)
    bench.warm_up(("layer", *key), methods)
    bench.interleave(("layer", *key), methods)


def _measure_pooling(
    bench: Bench, name: str, tokens: torch.Tensor, side: int, settings: Settings
) -> None:
    grid = (side, side)
    factor = layer_factor(grid, grid, settings)
    if factor == 1:
        return

    def pool(method: str) -> Any:
        return contextlib.nullcontext(lambda: pool_tokens(tokens, grid, factor, method))

    methods = {method: lambda method=method: pool(method) for method in METHODS}
    bench.warm_up(("pooling", name, str(side)), methods)
    bench.interleave(("pooling", name, str(side)), methods, repeats=5)
