"""The benchmark's own holds on a U-Net: tiles and windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.transformers.transformer_2d import Transformer2DModel

from benchmarks.tiles import tiled
from benchmarks.windows import windowed


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 16), (4, 12)])
def test_a_tile_is_attention_by_itself(height: int, width: int) -> None:
    model, attention, run = _transformer(height, width)
    tokens = torch.randn(1, height * width, 16)
    with torch.inference_mode(), tiled(model, (height, width), tile=4):
        run()
        cut = attention(tokens).view(height, width, 16)
    corner = tokens.view(height, width, 16)[:4, -4:].reshape(1, -1, 16)
    torch.testing.assert_close(cut[:4, -4:].reshape(1, -1, 16), attention(corner))


def test_tiles_that_do_not_fit_or_are_over_change_nothing() -> None:
    model, _, run = _transformer(8, 8)
    whole = run()
    with torch.inference_mode(), tiled(model, (8, 8), tile=3):
        assert torch.equal(run(), whole)
    with torch.inference_mode(), tiled(model, (8, 8), tile=4):
        assert not torch.allclose(run(), whole)
    assert torch.equal(run(), whole)


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
