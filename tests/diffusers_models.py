"""Small diffusers models and pipelines with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    MotionAdapter,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

TEXT_WIDTH = 16
TOKEN_LENGTH = 77


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights for which no layer's output vanishes or explodes, and each query looks at few keys.

    Were attention flat, pooling would hardly change a thing and no test could tell.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 4 if "to_q" in name or "to_k" in name else 0.7
            spread = spread / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
            if parameter.ndim == 1:
                parameter.add_(0.5)
    return model.eval().requires_grad_(False)


def unet(**changes: Any) -> UNet2DConditionModel:
    """SD 1.x's anatomy: attention at the latent's own resolution and on the level below."""
    options = {
        "sample_size": 8,
        "block_out_channels": (32, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
    }
    return randomised(UNet2DConditionModel(**{**options, **changes}))


def unet_sdxl(**changes: Any) -> UNet2DConditionModel:
    """SDXL: none at the first level, deep transformers below, size and crop as conditions."""
    options = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2),
        "use_linear_projection": True,
        "cross_attention_dim": 2 * TEXT_WIDTH,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": TEXT_WIDTH + 6 * 8,
    }
    return unet(**{**options, **changes})


def video_unet() -> UNetSpatioTemporalConditionModel:
    """Stable Video Diffusion's anatomy."""
    model = UNetSpatioTemporalConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 32),
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * 2,
        up_block_types=("CrossAttnUpBlockSpatioTemporal",) * 2,
        layers_per_block=1,
        num_attention_heads=2,
        cross_attention_dim=TEXT_WIDTH,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        num_frames=4,
    )
    return randomised(model)


def motion_adapter() -> MotionAdapter:
    """AnimateDiff's, for the anatomy of `unet`."""
    adapter = MotionAdapter(
        block_out_channels=(32, 32),
        motion_layers_per_block=1,
        motion_mid_block_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=8,
        use_motion_mid_block=True,
    )
    return randomised(adapter)


def by_blocks(model: nn.Module, **options: Any) -> nn.Module:
    """The model with each of its repeated blocks compiled."""
    model.compile_repeated_blocks(**options)
    return model


class OfTensors(nn.Module):
    """A `unet` that takes and gives tensors alone, as saved programs do."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = unet()

    def forward(self, x: torch.Tensor, t: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """The model's answer to latents, a timestep and a text."""
        return self.unet(x, t, text, return_dict=False)[0]


def vae() -> AutoencoderKL:
    """An autoencoder of factor 8 with four latent channels."""
    model = AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=64,
        mid_block_add_attention=True,
    )
    return randomised(model)


def tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's tokenizer with a vocabulary of single letters."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=TOKEN_LENGTH
    )


def _text_config(vocabulary: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=TEXT_WIDTH,
        intermediate_size=32,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKEN_LENGTH,
        bos_token_id=vocabulary.bos_token_id,
        eos_token_id=vocabulary.eos_token_id,
        pad_token_id=vocabulary.eos_token_id,
    )


def sd_pipeline(folder: Path, model: UNet2DConditionModel | None = None) -> StableDiffusionPipeline:
    """A whole txt2img pipeline; its tokenizer's files go into `folder`."""
    words = tokenizer(folder / "tokenizer")
    pipe = StableDiffusionPipeline(
        vae=vae(),
        text_encoder=randomised(CLIPTextModel(_text_config(words))),
        tokenizer=words,
        unet=model or unet(),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", clip_sample=False, steps_offset=1, set_alpha_to_one=False
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sdxl_pipeline(folder: Path) -> StableDiffusionXLPipeline:
    """The same with SDXL's two text encoders."""
    words = tokenizer(folder / "tokenizer")
    config = _text_config(words)
    pipe = StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=randomised(CLIPTextModel(config)),
        text_encoder_2=randomised(CLIPTextModelWithProjection(config)),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet_sdxl(),
        scheduler=EulerDiscreteScheduler(),
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def run_unet(
    model: UNet2DConditionModel, height: int, width: int, timestep: float = 500, batch: int = 2
) -> torch.Tensor:
    """One evaluation over a random latent of that size, always the same one."""
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(batch, 4, height, width, generator=generator)
    text = torch.randn(batch, 5, model.config.cross_attention_dim, generator=generator)
    conditions = {
        "text_embeds": torch.randn(batch, TEXT_WIDTH, generator=generator),
        "time_ids": torch.ones(batch, 6),
    }
    return model(latent, timestep, text, added_cond_kwargs=conditions).sample
