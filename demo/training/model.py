"""The model's parts, new and untrained, and how they are written as a diffusers pipeline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

# CLIP's, reduced to the tokens of the captions' words and to single letters
TOKENIZER = Path(__file__).parents[1] / "model" / "tokenizer"
LENGTH, WIDTH = 77, 128


def build_vae() -> AutoencoderKL:
    """The autoencoder. ldm fixes 32 norm groups, so 64 channels is the least that works well."""
    return AutoencoderKL(
        block_out_channels=(64, 64, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=0,
        norm_num_groups=32,
        latent_channels=4,
        sample_size=128,
    )


class Decoder(nn.Module):
    """The half of an autoencoder that turns latents into pictures."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Latents to pictures."""
        return self.decoder(self.post_quant_conv(z))


class Denoiser(nn.Module):
    """U-Net and text encoder in one module, for one optimizer and one average of the weights."""

    def __init__(self) -> None:
        super().__init__()
        # self- and cross-attention at the latent's own resolution and two levels below it
        self.unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(64, 128, 128),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",) * 3,
            up_block_types=("CrossAttnUpBlock2D",) * 3,
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            norm_num_groups=32,
        )
        self.text = _build_text_encoder()


def _build_text_encoder() -> CLIPTextModel:
    """A CLIP text model. Its word vectors stay random, only its layers are trained."""
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = CLIPTextModel(config)
    words = encoder.get_input_embeddings().weight
    torch.nn.init.normal_(words, std=0.3)
    words.requires_grad_(False)
    return encoder


def build_scheduler() -> DDIMScheduler:
    """SD 1.x's noise schedule, with v-prediction."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def tokenize(captions: list[str]) -> torch.Tensor:
    """Token numbers [captions, 77], as the pipeline makes them."""
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    options = {"padding": "max_length", "max_length": LENGTH, "truncation": True}
    return tokenizer(captions, return_tensors="pt", **options).input_ids


def write(vae: AutoencoderKL, denoiser: Denoiser, folder: Path) -> None:
    """Write the pipeline in half precision, so that every version of transformers reads it."""
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text,
        tokenizer=CLIPTokenizer.from_pretrained(TOKENIZER),
        unet=denoiser.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    # the tokenizer's four classic files alone; `folder` may be where they come from
    files = {path.name: path.read_bytes() for path in TOKENIZER.iterdir()}
    pipe.to(torch.float16).save_pretrained(folder)
    shutil.rmtree(folder / "tokenizer")
    (folder / "tokenizer").mkdir()
    for name, content in files.items():
        (folder / "tokenizer" / name).write_bytes(content)
    # the weights' names before transformers 5, which later versions read too
    weights = folder / "text_encoder" / "model.safetensors"
    state = load_file(weights)
    if not any(name.startswith("text_model.") for name in state):
        renamed = {f"text_model.{name}": weight for name, weight in state.items()}
        save_file(renamed, weights, metadata={"format": "pt"})
    # transformers 5 would load the file's own precision, beside a U-Net in diffusers' float32
    path = folder / "text_encoder" / "config.json"
    config = {**json.loads(path.read_text("utf-8")), "dtype": "float32"}
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
