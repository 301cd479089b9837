"""What the interception costs a layer that passes through: microseconds of Python."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from benchmarks.running.timing import Spread
from lib_todo import Settings, token_downsampling

CALLS = 200
# as SDXL's deepest; a block has two attention layers: both are intercepted, and so is the
# transformer
BLOCKS = 10
ATTENTIONS = 2 * BLOCKS


def measure(bench: Bench) -> None:
    """Seconds per call of a model with one spatial transformer whose attention does nothing."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    side, channels, heads = 16, 64, 8
    transformer = Transformer2DModel(
        heads,
        channels // heads,
        in_channels=channels,
        num_layers=BLOCKS,
        norm_num_groups=8,
        cross_attention_dim=32,
    )
    blocks = transformer.transformer_blocks
    image = torch.zeros(1, channels, side, side)
    tokens = torch.zeros(1, side * side, channels)
    prompt = torch.zeros(1, 77, 32)
    # calls of the real classes that compute nothing: what remains is the cost of calling
    layers = [(block.attn1, block.attn2) for block in blocks]
    for attention in itertools.chain(*layers):
        attention.forward = lambda x, **_: x

    def inside(_: torch.Tensor) -> None:
        for own, of_prompt in layers:
            own(tokens, encoder_hidden_states=None, attention_mask=None)
            of_prompt(tokens, encoder_hidden_states=prompt, attention_mask=None)

    transformer.forward = inside
    model = UNet2DConditionModel(
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=8,
    )
    model.forward = lambda *_: transformer(image)

    def call() -> None:
        model(image, 500, prompt)

    @contextlib.contextmanager
    def intercepted() -> Iterator[Any]:
        with token_downsampling(Settings()):
            yield call

    methods = {
        "plain": lambda: contextlib.nullcontext(call),
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
