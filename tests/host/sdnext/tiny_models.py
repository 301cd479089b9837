"""Builds tiny random models in diffusers' format, with the host's Python.

Arguments: a seed, the folder for the models, and a tokenizer's folder.

They have the levels and layers of SD 1.5 and SDXL, with narrow channels.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

WIDTH = 32
# of SDXL's second text encoder: the host takes one of up to 768 for SD 1.5's
XL_WIDTH = 776
# of SD 1.5's largest level: the host's own ToDo pools layers of this width only
REAL_WIDTH = 320
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(16, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=256,
    )


def text_config(tokenizer: CLIPTokenizer, width: int = WIDTH) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=WIDTH,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def unet(**more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        layers_per_block=2, norm_num_groups=8, attention_head_dim=2, sample_size=64, **more
    )


def sd15(tokenizer: CLIPTokenizer, width: int = WIDTH // 2) -> DiffusionPipeline:
    crossed = ("CrossAttnDownBlock2D",) * 3
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(text_config(tokenizer)),
        tokenizer=tokenizer,
        unet=unet(
            block_out_channels=(width, 32, 32, 32),
            down_block_types=(*crossed, "DownBlock2D"),
            up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
            cross_attention_dim=WIDTH,
        ),
        # the usual one of SD 1.5; the host takes a sampler only where it has the same arguments
        scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1, **SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(tokenizer: CLIPTokenizer) -> DiffusionPipeline:
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(text_config(tokenizer)),
        text_encoder_2=CLIPTextModelWithProjection(text_config(tokenizer, XL_WIDTH)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet(
            block_out_channels=(16, 32, 32),
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
            up_block_types=(*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 2),
            cross_attention_dim=WIDTH + XL_WIDTH,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=EulerDiscreteScheduler(**SCHEDULE),
    )


def main(seed: str, folder: str, tokenizer_folder: str) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
    makers = {
        "tiny15": sd15,
        "wide15": functools.partial(sd15, width=REAL_WIDTH),
        "tinyxl": sdxl,
    }
    for name, make in makers.items():
        torch.manual_seed(int(seed))
        make(tokenizer).save_pretrained(Path(folder) / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
