"""Small real ldm models with random weights, and how many keys their layers compute."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from ldm.modules.attention import SpatialTransformer
from self_attention import keys_computed
from torch import nn

Pool = Callable[[torch.Tensor], torch.Tensor]

WIDTH = 32
TEXT_WIDTH = 24
TEXT_TOKENS = 5


def randomised(model: nn.Module) -> nn.Module:
    """ldm starts its output projections at zero, which would hide everything before them."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.25)
    return model.eval().requires_grad_(False)


def spatial_transformer(
    depth: int = 1, use_linear: bool = False, text_width: int = TEXT_WIDTH
) -> SpatialTransformer:
    model = SpatialTransformer(
        WIDTH, 2, WIDTH // 2, depth=depth, context_dim=[text_width] * depth, use_linear=use_linear
    )
    return randomised(model)


def image(height: int, width: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, WIDTH, height, width)


def text(tokens: int = TEXT_TOKENS, batch: int = 2, width: int = TEXT_WIDTH) -> torch.Tensor:
    return torch.randn(batch, tokens, width)


def run(model: SpatialTransformer, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    return model(x, context=[context] * len(model.transformer_blocks))


def run_explicitly(
    model: SpatialTransformer, x: torch.Tensor, context: torch.Tensor, pool: Pool
) -> torch.Tensor:
    """What the transformer computes, with `pool` put by hand before each first attention."""
    height, width = x.shape[2:]
    h = model.norm(x)
    h = h if model.use_linear else model.proj_in(h)
    h = rearrange(h, "b c h w -> b (h w) c")
    h = model.proj_in(h) if model.use_linear else h
    for block in model.transformer_blocks:
        n = block.norm1(h)
        h = block.attn1.forward(n, context=pool(n)) + h
        h = block.attn2.forward(block.norm2(h), context=context) + h
        h = block.ff(block.norm3(h)) + h
    h = model.proj_out(h) if model.use_linear else h
    h = rearrange(h, "b (h w) c -> b c h w", h=height, w=width)
    return x + (h if model.use_linear else model.proj_out(h))


def unet(**changes: object) -> nn.Module:
    """ldm's U-Net; by default a tiny one with attention at 1, 1/2, 1/4 and, in the middle, 1/8."""
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    options = {
        "image_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 32,
        "attention_resolutions": [4, 2, 1],
        "num_res_blocks": 1,
        "channel_mult": (1, 1, 1, 1),
        "num_heads": 2,
        "use_spatial_transformer": True,
        "transformer_depth": 1,
        "context_dim": TEXT_WIDTH,
        "legacy": False,
    }
    return UNetModel(**{**options, **changes})


def run_unet(model: nn.Module, height: int, width: int) -> torch.Tensor:
    """One evaluation over a latent of that size."""
    latent = torch.randn(2, 4, height, width)
    return model(latent, torch.tensor([500.0, 500.0]), context=text())


def keys_over(model: SpatialTransformer, side: int) -> int:
    """How many keys the model's only self-attention layer computes for a square grid."""
    with keys_computed(model) as seen:
        run(model, image(side, side), text())
    ((_, count),) = seen
    return count
