"""Attention processors, merged layers and videos: pooled where pooled keys are taken, else not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers.models import attention_processor as stock
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.pipelines.deprecated.stable_diffusion_sag import (
    pipeline_stable_diffusion_sag as sag,
)
from diffusers.pipelines.deprecated.text_to_video_synthesis import (
    pipeline_text_to_video_zero as zero,
)
from self_attention import keys_computed, self_attentions
from settings_of import paper

from lib_todo import Report, token_downsampling
from lib_todo.pooling import pool_tokens
from lib_todo.reasons import Reason

SETTINGS = paper(factor=2, deep_factor=2, threshold=2)
WHOLE, POOLED = {(192, 192), (48, 48)}, {(192, 48), (48, 12)}


@pytest.fixture
def unet() -> Any:
    return models.unet()


def run(unet: Any) -> tuple[set[tuple[int, int]], Report]:
    """(queries, keys) of the self-attention, and the report."""
    with token_downsampling(SETTINGS) as report, keys_computed(unet) as seen:
        models.run_unet(unet, 16, 12)
    return set(seen), report


def process(unet: Any, processor: Any) -> None:
    for layer in self_attentions(unet):
        layer.set_processor(processor)


class OfItsOwn(AttnProcessor2_0):
    """A subclass may do anything."""


class Declared(AttnProcessor2_0):
    accepts_downsampled_keys = True


class DeclaredNot(AttnProcessor2_0):
    accepts_downsampled_keys = False


class Liar(AttnProcessor2_0):
    """Computes all keys, though it says that it takes what it is handed."""

    accepts_downsampled_keys = True

    def __call__(
        self, attn: Any, x: torch.Tensor, encoder_hidden_states: Any = None, **rest: Any
    ) -> Any:
        is_prompt = encoder_hidden_states is not None and encoder_hidden_states.shape[1] == 5
        return super().__call__(attn, x, encoder_hidden_states if is_prompt else None, **rest)


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        (stock.PAGIdentitySelfAttnProcessor2_0(), Reason.OTHER_PROCESSOR),
        (zero.CrossFrameAttnProcessor2_0(batch_size=1), Reason.OTHER_PROCESSOR),
        (sag.CrossAttnStoreProcessor(), Reason.OTHER_PROCESSOR),
        (OfItsOwn(), Reason.OTHER_PROCESSOR),
        (DeclaredNot(), Reason.OTHER_PROCESSOR),
        (Liar(), Reason.KEYS_IGNORED),
        (Declared(), None),
        (AttnProcessor2_0(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_by_its_processor(unet: Any, processor: Any, reason: Reason | None) -> None:
    process(unet, processor)
    expected = models.run_unet(unet, 16, 12)
    seen, report = run(unet)
    assert set(report.left_alone) == ({reason} if reason else set())
    assert seen == (WHOLE if reason else POOLED)
    assert bool(report.pooled) is (reason is None)
    if reason is not None:
        with token_downsampling(SETTINGS):
            assert torch.equal(models.run_unet(unet, 16, 12), expected)


def test_unfused_projections_are_ordinary_ones(unet: Any) -> None:
    unet.fuse_qkv_projections()
    assert set(run(unet)[1].left_alone) == {Reason.FUSED_PROJECTIONS}
    unet.unfuse_qkv_projections()
    assert run(unet)[0] == POOLED


@pytest.mark.parametrize(
    ("take", "reason"),
    [
        (lambda layer: layer.to_v.register_forward_hook(lambda *_: None), Reason.HOOKED),
        (
            lambda layer: setattr(layer, "forward", functools.partial(Attention.forward, layer)),
            Reason.FORWARD_REPLACED,
        ),
        (lambda layer: setattr(layer.processor, "_tome_info", {}), Reason.OTHER_REDUCTION),
    ],
)
def test_what_others_put_on_a_layer(unet: Any, take: Callable[[Any], None], reason: Reason) -> None:
    for layer in self_attentions(unet):
        layer.set_processor(AttnProcessor2_0())
        take(layer)
    seen, report = run(unet)
    assert (seen, set(report.left_alone)) == (WHOLE, {reason})


def test_a_layer_that_took_no_keys_is_found_out_once_and_then_left_alone(unet: Any) -> None:
    process(unet, Liar())
    with token_downsampling(SETTINGS) as report:
        for _ in range(3):
            models.run_unet(unet, 16, 12)
    tally = report.left_alone[Reason.KEYS_IGNORED]
    assert (len(tally.layers), tally.calls, report.pooled) == (7, 21, {})
    assert all(not layer.to_k._forward_pre_hooks for layer in self_attentions(unet))


def test_the_largest_level_is_the_largest_with_self_attention() -> None:
    unet = models.unet(only_cross_attention=(True, False))
    with (
        token_downsampling(paper(factor=2, threshold=4)) as report,
        keys_computed(unet) as seen,
    ):
        models.run_unet(unet, 32, 24)
    assert (192, 48) in seen
    assert max(grid for grid, *_ in report.tallies) == (16, 12)


def test_layers_that_tome_merges_are_left_to_it(unet: Any) -> None:
    tomesd = pytest.importorskip("tomesd", reason="needs requirements/bench.txt")
    tomesd.apply_patch(unet, ratio=0.5, max_downsample=1)
    _, report = run(unet)
    # the deeper level is not merged, so it is pooled
    assert report.left_alone[Reason.OTHER_GRID].calls == 3
    assert list(report.pooled) == [(48, 12)]
    assert "token merging" in report.line()
    tomesd.remove_patch(unet)
    assert not run(unet)[1].left_alone


@pytest.mark.parametrize("frames", [4, 8])
def test_stable_video_diffusion(frames: int) -> None:
    """8 frames: as many as the deeper level (4 × 2) has tokens, and as its temporal layers get."""
    model = models.video_unet()
    latents, image = torch.randn(1, frames, 4, 8, 4), torch.randn(1, 1, models.TEXT_WIDTH)

    def sample() -> torch.Tensor:
        return model(latents, 500, image, added_time_ids=torch.ones(1, 3)).sample

    with token_downsampling(SETTINGS) as report:
        got = sample()
    spatial = [
        layer
        for name, layer in model.named_modules()
        if name.endswith("attn1") and ".transformer_blocks." in name
    ]
    assert set(report.pooled) == {(32, 8), (8, 2)}
    assert (report.left_alone, report.layers) == ({}, len(spatial))
    grids = {32: (8, 4), 8: (4, 2)}

    def pool(_: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        tokens = args[0]
        pooled = pool_tokens(tokens, grids[tokens.shape[1]], 2)
        return args, {**kwargs, "encoder_hidden_states": pooled}

    for layer in spatial:
        layer.register_forward_pre_hook(pool, with_kwargs=True)
    torch.testing.assert_close(got, sample())
