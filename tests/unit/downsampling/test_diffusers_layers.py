"""Inside the `with`, diffusers' U-Nets compute attention over explicitly pooled tokens."""

from __future__ import annotations

import math
import types

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers.models import attention_processor
from diffusers.models.attention_processor import (
    AttnProcessor,
    AttnProcessor2_0,
    SlicedAttnProcessor,
    XFormersAttnProcessor,
)
from self_attention import by_loops, pooled_by_hand
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.plan import pooled_grid
from lib_todo.settings import METHODS

UNETS = {
    "SD 1.x": (models.unet(), 1),
    "SD 2.x": (models.unet(use_linear_projection=True, attention_head_dim=(2, 4)), 1),
    "SDXL": (models.unet_sdxl(), 2),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("latent", "factor"), [((10, 10), 2), ((8, 11), 3), ((9, 7), 2.5), ((4, 14), 4)]
)
@pytest.mark.parametrize("name", UNETS)
def test_any_shape_factor_and_method(
    name: str, latent: tuple[int, int], factor: float, method: str
) -> None:
    model, downscale = UNETS[name]
    settings = paper(factor=factor, deep_factor=1, threshold=2, method=method)
    with token_downsampling(settings) as report:
        got = models.run_unet(model, *latent)
    with pooled_by_hand(model, by_loops(latent, downscale, factor, method)):
        wanted = models.run_unet(model, *latent)
    torch.testing.assert_close(got, wanted)
    assert not torch.allclose(got, models.run_unet(model, *latent), atol=1e-4)
    grid = pooled_grid(latent, downscale)
    assert list(report.pooled) == [(math.prod(grid), math.prod(pooled_grid(grid, factor)))]


def stand_in_for_xformers(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_bias: None, op: None, scale: float
) -> torch.Tensor:
    """What its memory_efficient_attention computes; the real one needs a GPU."""
    return torch.softmax(q @ k.mT * scale, dim=-1) @ v


@pytest.mark.parametrize(
    "cls", [AttnProcessor, AttnProcessor2_0, SlicedAttnProcessor, XFormersAttnProcessor]
)
def test_every_attention_processor(cls: type, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = types.SimpleNamespace(memory_efficient_attention=stand_in_for_xformers)
    monkeypatch.setattr(attention_processor, "xformers", types.SimpleNamespace(ops=ops))
    model = models.unet()
    model.set_attn_processor(cls(slice_size=1) if cls is SlicedAttnProcessor else cls())
    with token_downsampling(paper(factor=2, deep_factor=1, threshold=2)):
        got = models.run_unet(model, 10, 7)
    with pooled_by_hand(model, by_loops((10, 7), 1, 2)):
        torch.testing.assert_close(got, models.run_unet(model, 10, 7))
