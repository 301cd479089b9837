"""A model with SDXL's structure and random weights: two levels with attention, a trivial CLIP."""

from __future__ import annotations

import zlib
from typing import Any

import torch
from comfy import model_patcher, supported_models
from torch import nn

from . import checkpoint

CONTEXT, POOLED = 64, 32
# six numbers of the picture's size, as SDXL has them, in 256 waves each
SIZES = 6 * 256
UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 0, 1, 1, 2, 2],
    "transformer_depth_middle": 2,
    "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "context_dim": CONTEXT,
    "num_heads": 2,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": True,
    "legacy": False,
    "num_classes": "sequential",
    "adm_in_channels": POOLED + SIZES,
}


class TinySDXL(supported_models.SDXL):
    """SDXL's description of a smaller U-Net."""

    unet_extra_config = {}  # noqa: RUF012


class Prompt:
    """What CLIPTextEncode asks of a CLIP; another text gives other random numbers."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, text: str) -> list[list[Any]]:
        generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
        words = torch.randn(1, 8, CONTEXT, generator=generator)
        return [[words, {"pooled_output": torch.randn(1, POOLED, generator=generator)}]]


def load() -> model_patcher.ModelPatcher:
    config = TinySDXL(dict(UNET))
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "", device="cpu")
    torch.manual_seed(0)
    for module in model.diffusion_model.modules():
        _randomise(module)
    return checkpoint.patcher(model)


def _randomise(module: nn.Module) -> None:
    """Layers of the size that training leaves, so that noise stays noise through the depth."""
    weight = getattr(module, "weight", None)
    if weight is None:
        return
    if weight.ndim == 1:
        nn.init.ones_(weight)
    else:
        nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
