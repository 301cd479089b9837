"""The cost model's counts against hooks on the real modules, on the meta device (no arithmetic)."""

from __future__ import annotations

import functools
import math
from collections import Counter

import pytest
import torch
from settings_of import paper
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.models.unets import CONFIGS, build_diffusers, inputs_for
from lib_todo import Settings, token_downsampling
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.unet import ATTENTION, CONVOLUTION, ELEMENTWISE, LINEAR, unet_operations
from lib_todo.plan import layer_factor, level_grid, pooled_grid

pytest.importorskip("diffusers")

BATCH, ITEMSIZE = 2, 4
CASES = [
    ((1024, 1024), None),
    ((1536, 1024), paper()),
    ((1000, 776), paper(factor=3, threshold=32, deep_factor=1.5)),
]


@pytest.fixture(scope="module", params=list(SHAPES))
def unet(request: pytest.FixtureRequest) -> tuple[str, torch.nn.Module]:
    return request.param, build_diffusers(request.param, torch.device("meta"))


def call(name: str, model: torch.nn.Module, size: tuple[int, int], settings: Settings | None):
    inputs = inputs_for(name, *size, batch=BATCH, device=torch.device("meta"))
    with token_downsampling(settings or paper(enabled=False)) as report, torch.no_grad():
        model(**inputs)
    return report


def bytes_of(module: torch.nn.Module, given: torch.Tensor, result: torch.Tensor) -> int:
    tensors = [given, result, *module.parameters(recurse=False)]
    return sum(tensor.numel() * ITEMSIZE for tensor in tensors)


@pytest.mark.parametrize("size, settings", CASES)
def test_the_whole_unet(unet, size: tuple[int, int], settings: Settings | None) -> None:
    name, model = unet
    moved: Counter[str] = Counter()
    shapes: Counter[tuple[int, int]] = Counter()

    def on_product(times: int, module: torch.nn.Module, args: tuple, result: torch.Tensor) -> None:
        is_3x3 = isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3)
        moved[CONVOLUTION if is_3x3 else LINEAR] += times * bytes_of(module, args[0], result)

    def on_keys(module: torch.nn.Module, args: tuple, result: torch.Tensor) -> None:
        shapes[result.shape[1], result.shape[2]] += 1

    hooks = []
    for path, module in model.named_modules():
        # a hook on the values keeps a layer from being pooled; they are as many as the keys
        times = 2 if path.endswith("to_k") else 1
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) and not path.endswith("to_v"):
            hooks.append(module.register_forward_hook(functools.partial(on_product, times)))
        if path.endswith("attn1.to_k"):
            hooks.append(module.register_forward_hook(on_keys))
    try:
        with FlopCounterMode(display=False) as flops:
            call(name, model, size, settings)
    finally:
        for hook in hooks:
            hook.remove()

    latent = (size[1] // 8, size[0] // 8)
    counted = unet_operations(SHAPES[name], latent, settings, batch=BATCH, itemsize=ITEMSIZE)
    assert sum(op.flops for op in counted) == flops.get_total_flops()
    for kind in (CONVOLUTION, LINEAR):
        assert sum(op.bytes for op in counted if op.kind == kind) == moved[kind]
    assert all(op.bytes > 0 for op in counted)

    # as many layers, with the keys that the rule leaves
    expected: Counter[tuple[int, int]] = Counter()
    levels = SHAPES[name].levels
    grids = [level_grid(latent, level.downscale) for level in levels]
    for level, grid in zip(levels, grids):
        factor = layer_factor(grid, grids[0], settings) if settings else 1
        expected[math.prod(pooled_grid(grid, factor)), level.channels] += level.layers
    assert shapes == expected


def test_levels_of_the_published_shapes() -> None:
    seen = {
        name: [(level.downscale, level.channels, level.layers) for level in shape.levels]
        for name, shape in SHAPES.items()
    }
    sd = [(1, 320, 5), (2, 640, 5), (4, 1280, 5), (8, 1280, 1)]
    assert seen == {"SD 1.x": sd, "SD 2.x": sd, "SDXL": [(2, 640, 10), (4, 1280, 60)]}
    assert set(CONFIGS) >= set(SHAPES)


def test_only_products_have_operations() -> None:
    for op in unet_operations(SHAPES["SD 1.x"], (64, 64)):
        assert (op.flops == 0) == (op.kind == ELEMENTWISE)
        assert (op.channels > 0) == (op.kind == ATTENTION)
