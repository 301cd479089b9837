"""Train the decoder alone for longer, on stored latents with a little noise.

The encoder stays the same, so that the U-Net's latents remain valid. On larger pictures than the
decoder was trained on, its normalisation layers shift the colours; the last stage corrects that.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from .data import scene_pool, to_unit
from .large import SCENE_SEED as LARGE_SEED
from .large import SCENES
from .latents import SCENE_SEED
from .loop import Run
from .vae import build_vae, picture_loss

POOL = 1500
CROP, FULL_EVERY = 8, 4
BATCH_CROPS, BATCH_FULL = 4, 1
# a U-Net's latents are never exact, so the decoder is trained to tolerate this much noise
NOISE = 0.1
# sides in pixels of the whole pictures, in turn; below, how many there are of the larger ones
TURNS = (256, 128, 256, 256, 128, 512)
LARGE_POOLS = {256: 400, 512: 100}


class Decoder(nn.Module):
    """The half of the autoencoder that turns latents into pictures."""

    def __init__(self, vae_state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        vae = build_vae()
        vae.load_state_dict(vae_state)
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Latents to pictures."""
        return self.decoder(self.post_quant_conv(z))


def train_decoder(run: Run, latents: Path, minutes: float) -> None:
    """Train on crops of the stored latents and of the pictures they came from."""
    data = torch.load(latents, weights_only=True)
    pictures, _ = scene_pool(POOL, seed=SCENE_SEED)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        z, x = _batch(data, pictures, step, generator)
        return picture_loss(run.module(z), x)

    run.module.train()
    run.go(minutes, loss_of)


def train_large_decoder(run: Run, latents: Path, large_latents: Path, minutes: float) -> None:
    """Train on whole pictures of all sizes."""
    states = dict(zip(SCENES, torch.load(large_latents, weights_only=True)))
    states[128] = torch.load(latents, weights_only=True)
    pictures = {
        size: scene_pool(count, LARGE_SEED + size, size)[0] for size, count in LARGE_POOLS.items()
    }
    pictures[128] = scene_pool(POOL, seed=SCENE_SEED)[0]

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        size = TURNS[step % len(TURNS)]
        pick = torch.randint(len(pictures[size]), (1,), generator=generator)
        mean, std = (states[size][name][pick].float() for name in ("mean", "std"))
        z = _noisy(mean, std, generator)
        return picture_loss(run.module(z), to_unit(pictures[size][pick]))

    run.module.train()
    run.go(minutes, loss_of)


def _noisy(mean: torch.Tensor, std: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    spread = std.square() + (NOISE * torch.rand((), generator=generator)) ** 2
    return mean + spread.sqrt() * torch.randn(mean.shape, generator=generator)


def _batch(
    data: dict, pictures: torch.Tensor, step: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    whole = step % FULL_EVERY == 0
    side = data["mean"].shape[-1] if whole else CROP
    count = BATCH_FULL if whole else BATCH_CROPS
    picks = torch.randint(POOL, (count,), generator=generator)
    corners = torch.randint(data["mean"].shape[-1] - side + 1, (count, 2), generator=generator)
    z, x = [], []
    for i, (row, column) in zip(picks, corners):
        cells = (i, slice(None), slice(row, row + side), slice(column, column + side))
        pixels = (slice(None), slice(8 * row, 8 * (row + side)))
        z.append(_noisy(data["mean"][cells], data["std"][cells], generator))
        x.append(pictures[i][(*pixels, slice(8 * column, 8 * (column + side)))])
    return torch.stack(z), to_unit(torch.stack(x))
