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
# above 1 prefers timesteps with little noise, which decide the detail; below 1 those with much
TIMESTEP_POWER = 1.2


class Denoiser(nn.Module):
    """U-Net and text encoder in one module, for one optimizer and one average of the weights."""

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
    """Train on the stored latents until the last step, or until the minutes are over."""
    state = torch.load(latents, weights_only=True)
    words = Captions(state["captions"])
    pool = LatentPool(state, words)
    scheduler = build_scheduler()

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        z, captions = pool.draw(BATCH, generator)
        return denoising_loss(run.module, scheduler, z, words.tokens[captions], generator)

    run.module.train()
    run.go(minutes, loss_of)


class Captions:
    """Each distinct caption tokenized once; number 0 is the empty one, for caption dropout."""

    def __init__(self, captions: list[str]) -> None:
        self.unique = ["", *sorted(set(captions))]
        self.tokens = tokenize(load_tokenizer(), self.unique)

    def numbers(self, captions: list[str]) -> torch.Tensor:
        """The place of each caption in `tokens`."""
        return torch.tensor([self.unique.index(caption) for caption in captions])


class LatentPool:
    """Stored latents of one size, sampled from the encoder's mean and standard deviation."""

    def __init__(self, state: dict, words: Captions) -> None:
        self.mean, self.std, self.scale = state["mean"], state["std"], state["scaling_factor"]
        self.captions = words.numbers(state["captions"])

    def draw(
        self, count: int, generator: torch.Generator, side: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Random crops of latents, [count, 4, side, side], and the numbers of their captions."""
        picks = torch.randint(len(self.captions), (count,), generator=generator)
        mean, std = self.mean[picks].float(), self.std[picks].float()
        if side is not None:
            top, left = torch.randint(mean.shape[-1] - side + 1, (2,), generator=generator)
            window = (..., slice(top, top + side), slice(left, left + side))
            mean, std = mean[window], std[window]
        z = (mean + std * torch.randn(mean.shape, generator=generator)) * self.scale
        dropped = torch.rand(count, generator=generator) < CAPTION_DROPOUT
        return z, self.captions[picks].masked_fill(dropped, 0)


def denoising_loss(
    denoiser: Denoiser,
    scheduler: DDIMScheduler,
    z: torch.Tensor,
    tokens: torch.Tensor,
    generator: torch.Generator,
    noisiest: float = 1.0,
) -> torch.Tensor:
    """The squared error of v on latents `z`, at timesteps up to the share `noisiest` of them."""
    # one draw from each slice of the timesteps: less variance than independent draws
    slices = (torch.arange(len(z)) + torch.rand(len(z), generator=generator)) / len(z)
    last = noisiest * scheduler.config.num_train_timesteps
    timesteps = (slices**TIMESTEP_POWER * last).long()
    noise = torch.randn(z.shape, generator=generator)
    noisy = scheduler.add_noise(z, noise, timesteps)
    target = scheduler.get_velocity(z, noise, timesteps)
    distinct, places = tokens.unique(dim=0, return_inverse=True)
    context = denoiser.text(distinct).last_hidden_state[places]
    return F.mse_loss(denoiser.unet(noisy, timesteps, context).sample, target)
