"""Train the autoencoder, encode the scenes, and train the decoder for longer.

The encoder stays the same after the first stage, so that the U-Net's latents remain valid. On
larger pictures than the decoder was trained on, its normalisation layers shift the colours; the
last stage corrects that.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from .loop import Run
from .scenes import scene_pool, to_unit

KL_WEIGHT = 5e-4
CROP, FULL_EVERY = 64, 4
POOL = 4000
# the scenes whose latents are stored
COUNT, BATCH, SCENE_SEED = 6000, 16, 2
# the larger ones by pixels a side; the U-Net sees cut-outs of the largest
LARGE_SCENES = {256: 1600, 512: 400}
LARGE_SCENE_SEED = 5
DECODER_POOL, LATENT_CROP = 1500, 8
# a U-Net's latents are never exact, so the decoder is trained to tolerate this much noise
NOISE = 0.1
# sides in pixels of the whole pictures, in turn; below, how many there are of the larger ones
TURNS = (256, 128, 256, 256, 128, 512)
LARGE_POOLS = {256: 400, 512: 100}


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
    picks = torch.randint(len(pool), (1 if whole else 4,), generator=generator)
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


@torch.no_grad()
def write_large_latents(vae: AutoencoderKL, scaling_factor: float, path: Path) -> None:
    """Write the captions, means and deviations of the larger scenes, in half precision."""
    vae.eval()
    states = []
    for size, count in LARGE_SCENES.items():
        pictures, captions = scene_pool(count, LARGE_SCENE_SEED + size, size)
        moments = [
            vae.encode(to_unit(batch)).latent_dist
            for batch in tqdm(pictures.split(4), desc=f"latents {size}", mininterval=10)
        ]
        mean = torch.cat([m.mean for m in moments]).half()
        std = torch.cat([m.std for m in moments]).half()
        states.append(
            {"mean": mean, "std": std, "captions": captions, "scaling_factor": scaling_factor}
        )
    partial = path.with_suffix(".partial")
    torch.save(states, partial)
    partial.replace(path)


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
    pictures, _ = scene_pool(DECODER_POOL, seed=SCENE_SEED)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        z, x = _latent_batch(data, pictures, step, generator)
        return picture_loss(run.module(z), x)

    run.module.train()
    run.go(minutes, loss_of)


def train_large_decoder(run: Run, latents: Path, large_latents: Path, minutes: float) -> None:
    """Train on whole pictures of all sizes."""
    states = dict(zip(LARGE_SCENES, torch.load(large_latents, weights_only=True)))
    states[128] = torch.load(latents, weights_only=True)
    pictures = {
        size: scene_pool(count, LARGE_SCENE_SEED + size, size)[0]
        for size, count in LARGE_POOLS.items()
    }
    pictures[128] = scene_pool(DECODER_POOL, seed=SCENE_SEED)[0]

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


def _latent_batch(
    data: dict, pictures: torch.Tensor, step: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    whole = step % FULL_EVERY == 0
    side = data["mean"].shape[-1] if whole else LATENT_CROP
    count = 1 if whole else 4
    picks = torch.randint(DECODER_POOL, (count,), generator=generator)
    corners = torch.randint(data["mean"].shape[-1] - side + 1, (count, 2), generator=generator)
    z, x = [], []
    for i, (row, column) in zip(picks, corners):
        cells = (i, slice(None), slice(row, row + side), slice(column, column + side))
        pixels = (slice(None), slice(8 * row, 8 * (row + side)))
        z.append(_noisy(data["mean"][cells], data["std"][cells], generator))
        x.append(pictures[i][(*pixels, slice(8 * column, 8 * (column + side)))])
    return torch.stack(z), to_unit(torch.stack(x))
