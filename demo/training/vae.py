"""Train the autoencoder: factor 8, 4 latent channels, L1 and gradient loss, a little KL."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from .data import scene_pool, to_unit
from .loop import Run

KL_WEIGHT = 5e-4
CROP, FULL_EVERY = 64, 4
BATCH_CROPS, BATCH_FULL = 4, 1
POOL = 4000


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


def train_vae(run: Run, minutes: float) -> None:
    """Train on crops, which are fast, and every few steps on a whole picture."""
    pool, _ = scene_pool(POOL, seed=1)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        return _loss(run.module, _batch(pool, step, generator), generator)

    run.module.train()
    run.go(minutes, loss_of)


def _batch(pool: torch.Tensor, step: int, generator: torch.Generator) -> torch.Tensor:
    whole = step % FULL_EVERY == 0
    picks = torch.randint(len(pool), (BATCH_FULL if whole else BATCH_CROPS,), generator=generator)
    if whole:
        return to_unit(pool[picks])
    corners = torch.randint(pool.shape[-1] - CROP + 1, (len(picks), 2), generator=generator)
    crops = [
        pool[i, :, y : y + CROP, x : x + CROP] for i, (y, x) in zip(picks, corners, strict=True)
    ]
    return to_unit(torch.stack(crops))


def _loss(vae: AutoencoderKL, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    posterior = vae.encode(x).latent_dist
    y = vae.decode(posterior.sample(generator=generator)).sample
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    return picture_loss(y, x) + KL_WEIGHT * kl


def picture_loss(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The loss between y and x: in colour, and in differences between pixels, for sharp edges."""
    rows, columns = (y - x).diff(dim=-2).abs().mean(), (y - x).diff(dim=-1).abs().mean()
    return F.l1_loss(y, x) + 0.3 * F.mse_loss(y, x) + 0.5 * (rows + columns)
