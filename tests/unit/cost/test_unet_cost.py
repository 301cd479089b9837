"""The cost model's counts against the real modules, on the meta device (no arithmetic)."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from settings_of import paper
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.models.unets import build_diffusers, inputs_for
from lib_todo import Settings, token_downsampling
from lib_todo.cost.architectures import NOTHING_TO_POOL, SHAPES, UNetShape, shape_of_unet
from lib_todo.cost.unet import work
from lib_todo.plan import layer_factor, pooled_grid

diffusers = pytest.importorskip("diffusers")

BATCH = 2
CASES = [
    ((1024, 1024), None),
    ((1536, 1024), paper()),
    ((1000, 776), paper(factor=3, threshold=32, deep_factor=1.5)),
]


@pytest.fixture(scope="module", params=list(SHAPES))
def unet(request: pytest.FixtureRequest) -> tuple[str, torch.nn.Module]:
    return request.param, build_diffusers(request.param, torch.device("meta"))


@pytest.mark.parametrize("size, settings", CASES)
def test_the_whole_unet(unet, size: tuple[int, int], settings: Settings | None) -> None:
    name, model = unet
    shape, latent = shape_of_unet(model), (size[1] // 8, size[0] // 8)
    assert shape == SHAPES[name]
    called: Counter[str] = Counter()
    keys: Counter[tuple[int, int]] = Counter()

    def on_call(module: torch.nn.Module, args: tuple) -> None:
        called[type(module).__name__] += 1

    def on_keys(module: torch.nn.Module, args: tuple, result: torch.Tensor) -> None:
        keys[result.shape[1], result.shape[2]] += 1

    hooks = [
        module.register_forward_hook(on_keys)
        if path.endswith("attn1.to_k")
        else module.register_forward_pre_hook(on_call)
        for path, module in model.named_modules()
        # a hook on the values keeps a layer from being pooled
        if not path.endswith("to_v")
    ]
    inputs = inputs_for(name, *size, batch=BATCH, device=torch.device("meta"))
    try:
        with (
            FlopCounterMode(display=False) as flops,
            token_downsampling(settings or paper(enabled=False)),
            torch.no_grad(),
        ):
            model(**inputs)
    finally:
        for hook in hooks:
            hook.remove()

    counted = work(shape, latent, settings)
    attention = counted.attention.total()
    assert BATCH * (counted.products + attention) == flops.get_total_flops()

    blocks, residuals = called["BasicTransformerBlock"], called["ResnetBlock2D"]
    products = called["Conv2d"] + called["Linear"]
    # the keys of attn1 and all values have no hook here; two attentions
    products += blocks + 2 * blocks
    # two of each residual block, one joins each of those on the way up, and one after the last
    elementwise = 2 * residuals + 3 * len(shape.channels) + 1
    elementwise += blocks + called["Transformer2DModel"]
    assert counted.operations == products + 2 * blocks + elementwise

    # as many layers, with the keys that the rule leaves
    expected: Counter[tuple[int, int]] = Counter()
    grids = [pooled_grid(latent, downscale) for downscale in shape.levels]
    for (downscale, layers), grid in zip(shape.levels.items(), grids):
        factor = layer_factor(grid, grids[0], settings) if settings else 1
        left = math.prod(pooled_grid(grid, factor))
        channels = shape.channels[downscale.bit_length() - 1]
        expected[left, channels] += layers
        # and as many attentions to the 77 tokens of the prompt
        attention -= 4 * layers * math.prod(grid) * (left + 77) * channels
    assert keys == expected
    assert attention == 0


def test_the_widths_of_heads_and_the_bytes_that_are_moved() -> None:
    """SD 1.x has eight heads everywhere, the others heads of 64 channels."""
    small, large = (work(SHAPES["SD 1.x"], (side, side), None) for side in (64, 128))
    assert large.moved == 4 * small.moved == 4 * 813_629_440
    assert set(small.attention) == {40, 80, 160}
    for name in ("SD 2.x", "SDXL"):
        assert set(work(SHAPES[name], (64, 64), None).attention) == {64}


@pytest.mark.parametrize("without", ["", "CrossAttn"])
def test_a_model_of_diffusers_without_spatial_transformers_has_no_shape(without: str) -> None:
    blocks = "CrossAttnDownBlock2D DownBlock2D UNetMidBlock2DCrossAttn UpBlock2D CrossAttnUpBlock2D"
    first, second, middle, *ups = (name.replace(without, "") for name in blocks.split())
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(
            block_out_channels=(32, 64),
            down_block_types=(first, second),
            mid_block_type=middle,
            up_block_types=ups,
            cross_attention_dim=8,
        )
    found = shape_of_unet(unet)
    assert found == (
        NOTHING_TO_POOL if without else UNetShape((32, 64), (1, 0), 1, context_width=8)
    )
