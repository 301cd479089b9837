"""The shape of a loaded U-Net of diffusers, which SD.Next runs, from its config."""

from __future__ import annotations

import types
from typing import Any

import pytest

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import torch
from diffusers import UNet2DConditionModel

from lib_todo.cost.architectures import SHAPES, shape_of_unet

CONFIGS: dict[str, dict[str, Any]] = {
    "SD 1.x": {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768},
    "SD 2.x": {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 1024},
    "SDXL": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "cross_attention_dim": 2048,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**CONFIGS[name])
    assert shape_of_unet(unet) == SHAPES[name]


@pytest.mark.parametrize(
    "changes",
    [
        {"down_block_types": ("DownBlock2D", "DownBlock2D"), "mid_block_type": "UNetMidBlock2D"},
        {"transformer_layers_per_block": ((1, 2), (1, 2))},
    ],
)
def test_without_a_shape_that_the_cost_model_knows(changes: dict[str, Any]) -> None:
    config = {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "transformer_layers_per_block": 1,
        **changes,
    }
    unet = types.SimpleNamespace(config=types.SimpleNamespace(**config))
    assert shape_of_unet(unet) is None
