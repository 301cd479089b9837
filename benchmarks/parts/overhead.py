"""What the interception costs a layer that passes through: microseconds of Python."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from benchmarks.running.timing import Spread
from lib_todo import Settings, token_downsampling

CALLS = 2000
# a block has two attention layers; both are intercepted, and so is the transformer
ATTENTIONS = 2


def measure(bench: Bench) -> None:
    """Seconds per call of a spatial transformer whose two attention layers do nothing."""
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    side, channels, heads = 16, 64, 8
    transformer = Transformer2DModel(
        heads, channels // heads, in_channels=channels, norm_num_groups=8, cross_attention_dim=32
    )
    block = transformer.transformer_blocks[0]
    image = torch.zeros(1, channels, side, side)
    tokens = torch.zeros(1, side * side, channels)
    prompt = torch.zeros(1, 77, 32)
    # calls of the real classes that compute nothing: what remains is the cost of calling
    for attention in (block.attn1, block.attn2):
        attention.forward = lambda x, **_: x

    def inside(_: torch.Tensor) -> None:
        block.attn1(tokens, encoder_hidden_states=None, attention_mask=None)
        block.attn2(tokens, encoder_hidden_states=prompt, attention_mask=None)

    transformer.forward = inside

    @contextlib.contextmanager
    def intercepted() -> Iterator[Any]:
        with token_downsampling(Settings()):
            yield lambda: transformer(image)

    methods = {
        "plain": lambda: contextlib.nullcontext(lambda: transformer(image)),
        "intercepted": intercepted,
    }
    bench.interleave(("overhead",), methods, repeats=CALLS)


def added(store: Store) -> Spread | None:
    """Seconds that interception adds to a layer that is left alone; None if not measured."""
    plain, intercepted = (
        store.under("overhead", name).get((), {}).get("seconds", {})
        for name in ("plain", "intercepted")
    )
    shared = [name for name in plain if name in intercepted]
    if not shared:
        return None
    return Spread.of((intercepted[name] - plain[name]) / ATTENTIONS for name in shared)
