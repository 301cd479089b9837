"""Train the U-Net and the text encoder together on stored latents: v-prediction.

At first on small pictures, then on larger ones beside them, for the hires pass. A picture enlarged
and sampled again starts half-way through the timesteps, so the larger pictures are learnt only up
to there; the small ones go on at all timesteps, so that nothing is forgotten.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .loop import Run

TOKENIZER = Path(__file__).parents[1] / "model" / "tokenizer"
LENGTH, WIDTH = 77, 128
BATCH = 8
# the larger pictures: cut-outs of so many latents a side
CROP, LARGE_BATCH = 32, 2
NOISIEST = 0.7
CAPTION_DROPOUT = 0.1
# above 1 prefers timesteps with little noise, which decide the detail; below 1 those with much
TIMESTEP_POWER = 1.2


class Denoiser(nn.Module):
    """U-Net and text encoder in one module, for one optimizer and one average of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = build_unet()
        self.text = build_text_encoder()


def load_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer, reduced to the tokens of the captions' words and to single letters."""
    return CLIPTokenizer.from_pretrained(TOKENIZER)


def build_text_encoder() -> CLIPTextModel:
    """A CLIP text model of width 128. Its word vectors stay random, only its layers are trained.

    Distinct words remain distinct so.
    """
    tokenizer = load_tokenizer()
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


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Token numbers [captions, 77], as the pipeline makes them."""
    return tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


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


def train_large(run: Run, latents: Path, large_latents: Path, minutes: float) -> None:
    """Train on small pictures and on larger ones in turn."""
    small = torch.load(latents, weights_only=True)
    states = torch.load(large_latents, weights_only=True)
    words = Captions([caption for state in (small, *states) for caption in state["captions"]])
    pool, large = LatentPool(small, words), [LatentPool(state, words) for state in states]
    scheduler = build_scheduler()

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        if step % 2:
            turn = large[step // 2 % len(large)]
            z, captions = turn.draw(LARGE_BATCH, generator, CROP)
        else:
            z, captions = pool.draw(BATCH, generator)
        return denoising_loss(
            run.module,
            scheduler,
            z,
            words.tokens[captions],
            generator,
            noisiest=NOISIEST if step % 2 else 1.0,
        )

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
