"""diffusers' U-Nets of real shape with random weights, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lib_todo.cost.unet import LATENT_CHANNELS, PROMPT_TOKENS
from lib_todo.plan import latent_grid

_SD_BLOCKS: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
# as published with the checkpoints; "narrow" is for checks only: SD 1.x with a fifth of the width
CONFIGS: dict[str, dict[str, Any]] = {
    "SD 1.x": {**_SD_BLOCKS, "attention_head_dim": 8, "cross_attention_dim": 768},
    "SD 2.x": {
        **_SD_BLOCKS,
        "attention_head_dim": (5, 10, 20, 20),
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
    },
    "SDXL": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "narrow": {
        **_SD_BLOCKS,
        "block_out_channels": (64, 128, 256, 256),
        "attention_head_dim": 8,
        "cross_attention_dim": 64,
    },
}


def build_diffusers(name: str, device: torch.device, dtype: torch.dtype = torch.float32) -> Any:
    """diffusers' UNet2DConditionModel of CONFIGS[name], random weights, for inference."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    with torch.device(device):
        model = UNet2DConditionModel(**CONFIGS[name])
    return model.to(dtype).eval().requires_grad_(False)


def inputs_for(
    name: str,
    width: int,
    height: int,
    batch: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Any]:
    """Keyword arguments for one call of diffusers' U-Net at that size in pixels."""
    config = CONFIGS[name]
    latent = (batch, LATENT_CHANNELS, *latent_grid(width, height))
    prompt = (batch, PROMPT_TOKENS, config["cross_attention_dim"])
    torch.manual_seed(1)
    inputs = {
        "sample": torch.randn(latent, device=device, dtype=dtype),
        "timestep": torch.tensor(500, device=device),
        "encoder_hidden_states": torch.randn(prompt, device=device, dtype=dtype),
    }
    if "addition_embed_type" in config:
        ids = [height, width, 0, 0, height, width]
        vector = config["projection_class_embeddings_input_dim"]
        pooled = vector - len(ids) * config["addition_time_embed_dim"]
        inputs["added_cond_kwargs"] = {
            "text_embeds": torch.randn(batch, pooled, device=device, dtype=dtype),
            "time_ids": torch.tensor([ids] * batch, device=device, dtype=dtype),
        }
    return inputs


def call_of(model: Any, inputs: dict[str, Any]) -> Callable[[], torch.Tensor]:
    """One call; sample and timestep are positional, since some peers' hooks look for them there."""
    rest = {key: value for key, value in inputs.items() if key not in ("sample", "timestep")}
    return lambda: model(inputs["sample"], inputs["timestep"], return_dict=False, **rest)[0]
