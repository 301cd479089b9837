"""Train the U-Net and the text encoder together on stored latents: v-prediction."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional as F

from .loop import Run
from .text import WIDTH, build_text_encoder, load_tokenizer, tokenize

BATCH = 8
CAPTION_DROPOUT = 0.1
# below 1 there would be more noisy steps, above 1 there are more clean ones: those carry the detail
TIMESTEP_POWER = 1.2


class Denoiser(nn.Module):
    """The two networks that learn together, so that one optimizer and one average serve both."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = build_unet()
        self.text = build_text_encoder()


def build_unet() -> UNet2DConditionModel:
    """Self- and cross-attention at the latent's own resolution and two levels below it."""
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(64, 128, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=32,
    )


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


def train_unet(run: Run, latents: Path, minutes: float) -> None:
    """Train on the latents' file until the last step or the end of the minutes."""
    data = torch.load(latents, weights_only=True)
    scale = data["scaling_factor"]
    # captions repeat, so each is tokenized once; number 0 is the empty one, for the dropout
    unique = ["", *sorted(set(data["captions"]))]
    tokens = tokenize(load_tokenizer(), unique)
    caption_of = torch.tensor([unique.index(caption) for caption in data["captions"]])
    scheduler = build_scheduler()

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        picks = torch.randint(len(caption_of), (BATCH,), generator=generator)
        noise = torch.randn(data["mean"][picks].shape, generator=generator)
        z = (data["mean"][picks] + data["std"][picks] * noise) * scale
        dropped = torch.rand(BATCH, generator=generator) < CAPTION_DROPOUT
        captions = caption_of[picks].masked_fill(dropped, 0)
        return _loss(run.module, scheduler, z, tokens, captions, generator)

    run.module.train()
    run.go(minutes, loss_of)


def _loss(
    denoiser: Denoiser,
    scheduler: DDIMScheduler,
    z: torch.Tensor,
    tokens: torch.Tensor,
    captions: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    # one draw from each slice of the timesteps: less variance than independent draws
    slices = (torch.arange(len(z)) + torch.rand(len(z), generator=generator)) / len(z)
    timesteps = (slices**TIMESTEP_POWER * scheduler.config.num_train_timesteps).long()
    noise = torch.randn(z.shape, generator=generator)
    noisy = scheduler.add_noise(z, noise, timesteps)
    target = scheduler.get_velocity(z, noise, timesteps)
    distinct, places = captions.unique(return_inverse=True)
    context = denoiser.text(tokens[distinct]).last_hidden_state[places]
    return F.mse_loss(denoiser.unet(noisy, timesteps, context).sample, target)
