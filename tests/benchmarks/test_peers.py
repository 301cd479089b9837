"""The benchmark's own tiles and windows, and the names of all methods."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.transformers.transformer_2d import Transformer2DModel

pytest.importorskip("scipy", reason="needs requirements/bench.txt")

from benchmarks.models import attention_backends, unets
from benchmarks.models.attention_backends import MATH, implementation
from benchmarks.parts import unet
from benchmarks.peers import others
from benchmarks.peers.any_unet import smallest_divisor, tiled, windowed
from benchmarks.peers.case import Case
from benchmarks.peers.methods import Folders, available
from benchmarks.peers.names import ALL, DENSE, DIFFUSERS, LDM, TODO
from benchmarks.peers.ours import pooled_sizes, ready_made_keys
from benchmarks.running.bench import Bench
from benchmarks.running.timing import peak_bytes
from lib_todo import Settings

CPU = torch.device("cpu")


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


def test_tiles_are_the_webuis() -> None:
    """The number of tiles a side is what the host's own HyperTile takes with a swap size of 1."""
    if "SD_WEBUI_DIR" not in os.environ:
        pytest.skip("no SD_WEBUI_DIR: no HyperTile")
    try:
        host = others.load_hypertile(Path(os.environ["SD_WEBUI_DIR"]))
    except FileNotFoundError as error:
        pytest.skip(f"SD_WEBUI_DIR: {error}")
    for length, depth in itertools.product((32, 64, 96, 128, 160, 192), (0, 1, 2)):
        grid, tile = length >> depth, 32 << depth
        assert grid // smallest_divisor(grid, tile) == host.random_divisor(grid, tile, 1)


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


def test_windows_are_quarters_of_the_largest_grid_shifted_alike_every_time() -> None:
    """A quarter's tokens are a batch of their own; nothing is left, nor drawn."""
    model, run = _unet()
    whole = run()
    seen: list[tuple[int, ...]] = []
    layers = [m for path, m in model.named_modules() if path.endswith("attn1")]
    for layer in layers:
        layer.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape)))
    torch.manual_seed(5)
    drawn = []
    for _ in range(2):
        with torch.inference_mode(), windowed(model):
            drawn.append(run())
    after = torch.rand(1)
    assert set(seen) == {(4, 64, 16), (1, 64, 16)}
    assert torch.equal(*drawn)
    assert not torch.allclose(drawn[0], whole)
    assert torch.equal(run(), whole)
    assert not any("info" in module.__dict__ for module in model.modules())
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


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q = torch.nn.Linear(3, 3)

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        return x if context is None else context


def test_bounds_hand_over_ready_made_keys() -> None:
    block = torch.nn.ModuleDict({"attn1": Attention()})
    paper = Settings.from_preset("paper", threshold=4)
    case = Case(block, LDM, "SD 1.x", 64, 64, [(8, 8), (4, 4)], paper, batch=2)
    attention, tokens, small = block["attn1"], torch.zeros(2, 64, 3), torch.zeros(2, 16, 3)
    assert pooled_sizes(case) == {64: 16}
    with ready_made_keys(case, pooled_sizes(case)):
        assert attention(tokens).shape == (2, 16, 3)
        assert attention(tokens) is attention(tokens)
        assert attention(small) is small
    assert attention(tokens) is tokens
    assert "forward" not in attention.__dict__


def test_math_writes_out_the_matrix_and_must_fit() -> None:
    tokens = torch.randn(1, 1, 512, 64)

    def attend() -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)

    for name in attention_backends.for_whole_models(CPU, torch.float32):
        with attention_backends.using(name):
            assert (peak_bytes(attend, CPU) >= 4 * 512**2) == (name == MATH)
    assert attention_backends.fits(MATH, 1, CPU)
    assert not attention_backends.fits(MATH, 10**15, CPU)
    assert attention_backends.fits("flash", 10**15, CPU)


@pytest.mark.parametrize("name", list(unets.CONFIGS))
def test_heads_are_those_of_the_real_module(name: str) -> None:
    model = unets.build_diffusers(name, torch.device("meta"))
    layers = [part for path, part in model.named_modules() if path.endswith("attn1")]
    assert unets.heads_of_largest_grid(name) == layers[0].heads


def test_a_call_by_each_attention_is_a_point_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sizes; what is written out fits at the smaller one only."""
    limit = 8 * 16**4
    monkeypatch.setattr(
        attention_backends, "fits", lambda name, numbers, _: name != MATH or numbers <= limit
    )
    wanted = unet.Wanted(
        kinds=[DIFFUSERS],
        architectures=["narrow"],
        sizes=[128, 192],
        methods=[DENSE, TODO],
        attentions=None,
        batch=1,
        settings=Settings(threshold=8),
        folders=Folders(),
        timed=True,
        memory=True,
    )
    with torch.inference_mode():
        unet.measure(bench, wanted)
    groups = bench.store.groups("unet")
    written_out = implementation(DIFFUSERS, MATH)
    assert set(groups) == {
        (DIFFUSERS, "narrow", "128"),
        (DIFFUSERS, "narrow", "192"),
        (written_out, "narrow", "128"),
    }
    assert all(set(group) == {DENSE, TODO} for group in groups.values())
    small = groups[written_out, "narrow", "128"]
    assert small[TODO]["peak_bytes"] < small[DENSE]["peak_bytes"]
    assert f"unet | {written_out} | narrow | 192" in bench.store.left_out()
