"""The benchmark's tiles, and its methods on U-Nets of real shape."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel

pytest.importorskip("scipy", reason="needs requirements/bench.txt")

from benchmarks.arguments import parse
from benchmarks.parts import unet
from benchmarks.peers.hypertile import Tiling, tiled
from benchmarks.peers.methods import NAMES, available
from benchmarks.running.bench import Bench


def test_a_tile_is_attention_by_itself() -> None:
    height, width = 8, 12
    model = Transformer2DModel(2, 8, in_channels=16, norm_num_groups=4, cross_attention_dim=8)
    model.eval().requires_grad_(False)
    attention = model.transformer_blocks[0].attn1
    x, words = torch.randn(1, 16, height, width), torch.randn(1, 3, 8)

    def run() -> torch.Tensor:
        return model(x, words).sample

    whole = run()
    tokens = torch.randn(1, height * width, 16)
    with torch.inference_mode(), tiled(model, (height, width), tile=4):
        run()
        cut = attention(tokens).view(height, width, 16)
    corner = tokens.view(height, width, 16)[:4, -4:].reshape(1, -1, 16)
    torch.testing.assert_close(cut[:4, -4:].reshape(1, -1, 16), attention(corner))
    assert torch.equal(run(), whole)


# on a grid half as large as the latent, a tile has twice as many of its tokens
@pytest.mark.parametrize(
    ("latent", "tile", "side"),
    [(8, 4, 4), (8, 3, 4), (8, 5, 8), (16, 2, 4), (16, 4, 8), (32, 1, 4)],
)
def test_tiles_are_the_smallest_that_fill_a_grid_of_eight(
    latent: int, tile: int, side: int
) -> None:
    tiling = Tiling((latent, latent), tile)
    tiling.see(None, (torch.empty(1, 1, 8, 8),))
    assert tiling.sizes == {"rows": 8 // side, "columns": 8 // side, "h": side, "w": side}


def test_every_method_is_measured_and_leaves_the_model_as_it_was(bench: Bench) -> None:
    words = "--architectures narrow --sizes 256 --batch 1 --parts unet passes"
    args = parse(words.split())
    args.pass_steps = 2
    with torch.inference_mode():
        unet.measure(bench, args)
    assert tuple(available(None, (32, 32))) == NAMES
    calls, passes = (bench.store.groups(part) for part in ("unet", "pass"))
    (call,), (whole_pass,) = calls.values(), passes.values()
    assert set(call) == set(unet.IN_A_CALL)
    assert set(whole_pass) == set(unet.IN_A_PASS)
    assert all(len(point["seconds"]) == 2 for point in call.values())
    assert bench.store.data["notes"] == {}
