"""Encode a seeded set of scenes once, so that the U-Net's training never runs the autoencoder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from tqdm import tqdm

from .data import scene_pool, to_unit

COUNT, BATCH = 6000, 16
SCENE_SEED = 2


@torch.no_grad()
def write_latents(vae: AutoencoderKL, path: Path) -> None:
    """Write captions, latent means and deviations, and the autoencoder with unit latents."""
    vae.eval()
    pictures, captions = scene_pool(COUNT, seed=SCENE_SEED)
    moments = [
        vae.encode(to_unit(batch)).latent_dist
        for batch in tqdm(pictures.split(BATCH), desc="latents", mininterval=10)
    ]
    mean = torch.cat([m.mean for m in moments])
    std = torch.cat([m.std for m in moments])
    shift = mean.mean((0, 2, 3))
    scale = (mean.var((0, 2, 3)) + std.square().mean((0, 2, 3))).rsqrt()
    _normalise(vae, shift, scale)
    columns = (1, -1, 1, 1)
    mean, std = (mean - shift.view(columns)) * scale.view(columns), std * scale.view(columns)
    state = {"mean": mean, "std": std, "captions": captions, "vae": vae.state_dict()}
    state["scaling_factor"] = (mean.var() + std.square().mean()).rsqrt().item()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)


def _normalise(vae: AutoencoderKL, shift: torch.Tensor, scale: torch.Tensor) -> None:
    """Give every latent channel mean 0 and deviation 1, exactly, inside the two 1x1 convolutions.

    SD has only one scaling factor for all channels; the pictures stay the same.
    """
    channels = len(shift)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:channels] *= scale.view(-1, 1, 1, 1)
    quant.bias[:channels] = (quant.bias[:channels] - shift) * scale
    quant.bias[channels:] += 2 * scale.log()
    post.bias += (post.weight.flatten(1) * shift).sum(1)
    post.weight /= scale.view(1, -1, 1, 1)
