"""tomesd's merged layers, and videos: spatial layers are pooled, temporal ones left out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import UNetMotionModel
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.pooling import pool_tokens
from lib_todo.reasons import Reason

BY_TWO = paper(factor=2, deep_factor=2, threshold=2)


def test_layers_that_tome_merges_are_told_as_that() -> None:
    tomesd = pytest.importorskip("tomesd", reason="needs requirements/bench.txt")
    unet = models.unet()
    tomesd.apply_patch(unet, ratio=0.5, max_downsample=1)
    with token_downsampling(BY_TWO) as report:
        models.run_unet(unet, 16, 12)
    # the deeper level is not merged, so it is pooled
    assert report.left_alone[Reason.TOKENS_MERGED].calls == 3
    assert list(report.pooled) == [(48, 12)]
    assert "token merging" in report.line()
    tomesd.remove_patch(unet)
    with token_downsampling(BY_TWO) as report:
        models.run_unet(unet, 16, 12)
    assert not report.left_alone


def run_video(model: Any, frames: int = 4, height: int = 8, width: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, frames, 4, height, width, generator=generator)
    image = torch.randn(1, 1, models.TEXT_WIDTH, generator=generator)
    return model(latents, 500, image, added_time_ids=torch.ones(1, 3)).sample


def spatial_layers(model: Any) -> list[Any]:
    return [
        layer
        for name, layer in model.named_modules()
        if name.endswith("attn1") and ".transformer_blocks." in name
    ]


@pytest.mark.parametrize("frames", [4, 8])
def test_stable_video_diffusion(frames: int) -> None:
    """8 frames: as many as the deeper level (4 × 2) has tokens, and as its temporal layers get."""
    model = models.video_unet()
    with token_downsampling(BY_TWO) as report:
        got = run_video(model, frames)
    assert set(report.pooled) == {(32, 8), (8, 2)}
    assert report.left_alone == {}
    assert report.layers == len(spatial_layers(model))
    grids = {32: (8, 4), 8: (4, 2)}

    def pool(_: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        tokens = args[0]
        pooled = pool_tokens(tokens, grids[tokens.shape[1]], 2)
        return args, {**kwargs, "encoder_hidden_states": pooled}

    for layer in spatial_layers(model):
        layer.register_forward_pre_hook(pool, with_kwargs=True)
    torch.testing.assert_close(got, run_video(model, frames))


def test_animatediff_pools_in_each_frame() -> None:
    unet = models.unet()
    model = models.randomised(UNetMotionModel.from_unet2d(unet, models.motion_adapter()))
    video = torch.randn(1, 4, 6, 16, 12)
    with token_downsampling(BY_TWO) as report:
        model(video, 500, torch.randn(6, 5, models.TEXT_WIDTH))
    assert set(report.pooled) == {(192, 48), (48, 12)}
    assert (report.layers, report.left_alone) == (7, {})
