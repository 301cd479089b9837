"""What self-attention costs: the table against real ldm U-Nets (on meta), FLOPs by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ldm.modules.attention import CrossAttention, SpatialTransformer
from ldm_models import unet
from settings_of import paper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib_todo import Settings, token_downsampling
from lib_todo.cost.attention import (
    ARCHITECTURES,
    attention_flops,
    latent_grid,
    layer_costs,
    work_left,
)
from lib_todo.plan import layer_factor, pooled_grid

SD = "SD 1.x, 2.x"
SD_1 = {
    "model_channels": 320,
    "num_res_blocks": 2,
    "attention_resolutions": [4, 2, 1],
    "channel_mult": (1, 2, 4, 4),
    "num_heads": 8,
    "context_dim": 768,
}
SD_2 = {
    **SD_1,
    "num_heads": -1,
    "num_head_channels": 64,
    "context_dim": 1024,
    "use_linear_in_transformer": True,
}
# ldm's U-Net knows one depth for all levels: 1 here, multiplied by the published ones below
SDXL = {
    **SD_2,
    "attention_resolutions": [4, 2],
    "channel_mult": (1, 2, 4),
    "context_dim": 2048,
}
SDXL_DEPTHS = {640: 2, 1280: 10}
CASES = [
    (1024, 1024, paper()),
    (1536, 512, paper(factor=3, deep_factor=1.5, threshold=20)),
]


def build(options: dict) -> nn.Module:
    with torch.device("meta"):
        return unet(**options).eval().requires_grad_(False)


def layers_called(
    model: nn.Module, width: int, height: int, settings: Settings
) -> Counter[tuple[int, int, int]]:
    """How often each (queries, keys, channels) came up in the first attentions of one call."""
    seen: Counter[tuple[int, int, int]] = Counter()

    def note(layer: nn.Module, args: tuple, kwargs: dict) -> None:
        context = kwargs["context"] if kwargs["context"] is not None else args[0]
        seen[args[0].shape[1], context.shape[1], layer.to_k.out_features] += 1

    handles = [
        module.register_forward_pre_hook(note, with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, CrossAttention) and name.endswith("attn1")
    ]
    latent = torch.empty(1, 4, height // 8, width // 8, device="meta")
    transformer = next(m for m in model.modules() if isinstance(m, SpatialTransformer))
    text_width = transformer.transformer_blocks[0].attn2.to_k.in_features
    prompt = torch.empty(1, 77, text_width, device="meta")
    with token_downsampling(settings):
        model(latent, torch.empty(1, device="meta"), context=prompt)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("options", [SD_1, SD_2], ids=["SD 1.x", "SD 2.x"])
def test_layers_keys_and_widths_of_sd(options: dict) -> None:
    model = build(options)
    for width, height, settings in CASES:
        expected: Counter[tuple[int, int, int]] = Counter()
        for cost in layer_costs(SD, width, height, settings):
            key = math.prod(cost.grid), math.prod(cost.pooled), cost.level.channels
            expected[key] += cost.level.layers
        assert layers_called(model, width, height, settings) == expected


def test_layers_keys_and_widths_of_sdxl() -> None:
    model = build(SDXL)
    for width, height, settings in CASES:
        expected = {
            (math.prod(cost.grid), math.prod(cost.pooled), cost.level.channels): cost.level.layers
            for cost in layer_costs("SDXL", width, height, settings)
        }
        seen = layers_called(model, width, height, settings)
        assert {key: n * SDXL_DEPTHS[key[2]] for key, n in seen.items()} == expected


def test_operations_by_hand() -> None:
    # 4 queries, 1 key, 2 channels: queries and output 4·2·2 multiply-adds each, the key and the
    # value 1·2·2 each, the two products 4·1·2 each
    assert attention_flops(4, 1, 2) == 2 * (16 + 16 + 4 + 4 + 8 + 8)
    assert attention_flops(1, 1, 1) == 2 * 6


@pytest.mark.parametrize(
    ("queries", "keys", "channels"), [(64, 64, 320), (64, 16, 320), (35, 12, 64)]
)
def test_operations_of_the_real_layer(queries: int, keys: int, channels: int) -> None:
    with torch.device("meta"):
        layer = CrossAttention(channels, heads=8, dim_head=channels // 8)
        x, context = torch.empty(1, queries, channels), torch.empty(1, keys, channels)
    with FlopCounterMode(display=False) as counter:
        layer(x, context=context)
    assert counter.get_total_flops() == attention_flops(queries, keys, channels)


def test_sdxl_at_2048_by_hand() -> None:
    costs = layer_costs("SDXL", 2048, 2048, paper())
    # 10 layers of 16384 tokens by 640, 4096 keys left; 60 layers of 4096 tokens by 1280
    assert [cost.dense_flops for cost in costs] == [7_408_818_585_600, 8_375_186_227_200]
    assert [cost.pooled_flops for cost in costs] == [2_053_531_238_400, 8_375_186_227_200]
    assert work_left(costs) == 10_428_717_465_600 / 15_784_004_812_800


@pytest.mark.parametrize(
    ("size", "grid"),
    [((512, 768), (96, 64)), ((520, 328), (41, 65)), ((1000, 200), (25, 125)), ((15, 8), (1, 1))],
)
def test_the_latent_of_a_size_in_pixels(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert latent_grid(*size) == grid


sizes = st.integers(8, 320).map(lambda n: 8 * n)


@given(
    name=st.sampled_from(sorted(ARCHITECTURES)),
    width=sizes,
    height=sizes,
    factor=st.just(0) | st.floats(1, 8),
    deep_factor=st.just(0) | st.floats(1, 8),
    threshold=st.integers(1, 512),
)
def test_pooling_never_costs_more(
    name: str, width: int, height: int, factor: float, deep_factor: float, threshold: int
) -> None:
    settings = paper(factor=factor, deep_factor=deep_factor, threshold=threshold)
    costs = layer_costs(name, width, height, settings)
    assert len(costs) == len(ARCHITECTURES[name])
    for cost in costs:
        assert cost.pooled == pooled_grid(
            cost.grid, layer_factor(cost.grid, costs[0].grid, settings)
        )
        assert cost.pooled_flops <= cost.dense_flops
        assert (cost.pooled_flops == cost.dense_flops) is (cost.pooled == cost.grid)
    left = work_left(costs)
    assert 0 < left <= 1
    assert (left == 1) is all(cost.pooled == cost.grid for cost in costs)
