"""The benchmark's own tiles and windows, and the names of all methods."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.transformers.transformer_2d import Transformer2DModel

from benchmarks.peers import hypertile
from benchmarks.peers.methods import Folders, available
from benchmarks.peers.names import ALL, DIFFUSERS, LDM
from benchmarks.peers.tiles import smallest_divisor, tiled
from benchmarks.peers.windows import windowed


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 16), (4, 12)])
def test_a_tile_is_attention_by_itself(height: int, width: int) -> None:
    model, attention, run = _transformer(height, width)
    tokens = torch.randn(1, height * width, 16)
    with torch.inference_mode(), tiled(model, (height, width), tile=4):
        run()
        cut = attention(tokens).view(height, width, 16)
    corner = tokens.view(height, width, 16)[:4, -4:].reshape(1, -1, 16)
    torch.testing.assert_close(cut[:4, -4:].reshape(1, -1, 16), attention(corner))


@pytest.mark.parametrize(
    ("latent", "tile", "tiles"),
    [
        ((8, 8), 4, 4),
        ((8, 8), 3, 4),
        ((8, 8), 5, 1),
        # the same layer a level below: its tile is twice as many of its tokens
        ((16, 16), 2, 4),
        ((16, 16), 4, 1),
        ((32, 32), 1, 4),
    ],
)
def test_tiles_are_the_smallest_that_fill_the_grid(
    latent: tuple[int, int], tile: int, tiles: int
) -> None:
    model, attention, run = _transformer(8, 8)
    whole = run()
    seen: list[int] = []
    with torch.inference_mode(), tiled(model, latent, tile):
        hook = attention.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
        assert torch.equal(run(), whole) == (tiles == 1)
        hook.remove()
    assert seen == [tiles]
    assert torch.equal(run(), whole)


@pytest.mark.parametrize("length", [32, 64, 96, 128, 160, 192])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_tiles_are_the_webuis(length: int, depth: int) -> None:
    """The number of tiles a side is what the host's own HyperTile takes with a swap size of 1."""
    if "SD_WEBUI_DIR" not in os.environ:
        pytest.skip("no SD_WEBUI_DIR: no HyperTile")
    try:
        host = hypertile.load(Path(os.environ["SD_WEBUI_DIR"]))
    except FileNotFoundError as error:
        pytest.skip(f"SD_WEBUI_DIR: {error}")
    grid, tile = length >> depth, 32
    side = smallest_divisor(grid, at_least=tile << depth)
    assert grid // side == host.random_divisor(grid, tile << depth, 1)


def test_the_command_line_knows_every_method() -> None:
    found = set()
    for kind, architecture in [(DIFFUSERS, "SD 1.x"), (DIFFUSERS, "SDXL"), (LDM, "SD 1.x")]:
        methods, left_out = available(kind, architecture, Folders())
        found |= {*methods, *left_out}
    assert found == set(ALL)


def _transformer(height: int, width: int) -> tuple[Any, Any, Callable[[], torch.Tensor]]:
    """A spatial transformer, its self-attention, and a call of it at that grid."""
    torch.manual_seed(0)
    model = Transformer2DModel(2, 8, in_channels=16, norm_num_groups=4, cross_attention_dim=8)
    model.eval().requires_grad_(False)
    x, words = torch.randn(1, 16, height, width), torch.randn(1, 3, 8)
    return model, model.transformer_blocks[0].attn1, lambda: model(x, words).sample


def test_windows_are_quarters_of_the_largest_grid_alone() -> None:
    """A quarter's tokens are a batch of their own; afterwards nothing is left on the model."""
    model, run = _unet()
    whole = run()
    seen: list[tuple[int, ...]] = []
    layers = [m for path, m in model.named_modules() if path.endswith("attn1")]
    for layer in layers:
        layer.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape)))
    with torch.inference_mode(), windowed(model):
        windows = run()
    assert set(seen) == {(4, 64, 16), (1, 64, 16)}
    assert not torch.allclose(windows, whole)
    assert torch.equal(run(), whole)
    assert not any("info" in module.__dict__ for module in model.modules())


def test_windows_are_shifted_alike_every_time_and_leave_the_generator() -> None:
    model, run = _unet()
    torch.manual_seed(5)
    drawn = []
    for _ in range(2):
        with torch.inference_mode(), windowed(model):
            drawn.append(run())
    assert torch.equal(*drawn)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))


def _unet() -> tuple[UNet2DConditionModel, Callable[[], torch.Tensor]]:
    """A U-Net of two levels, 16² and 8² tokens, and a call of it."""
    torch.manual_seed(0)
    model = UNet2DConditionModel(
        block_out_channels=(16, 16),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=8,
    )
    model.eval().requires_grad_(False)
    x, words = torch.randn(1, 4, 16, 16), torch.randn(1, 3, 8)
    return model, lambda: model(x, 500, encoder_hidden_states=words).sample
