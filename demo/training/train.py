"""Train the demo's model: `python -m demo.training.train`, some three hours on two CPU cores.

Each stage writes its result to demo/training/.cache/runs; one whose result is there is skipped.
The encoder stays the same after the first stage, so that the U-Net's latents remain valid.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from .model import Decoder, Denoiser, build_scheduler, build_vae, tokenize, write
from .samples import draw_losses, draw_samples
from .scenes import CACHE, scene_pool, to_unit

SEED = 2024
WARM_UP, CLIP_NORM = 100, 1.0
KL_WEIGHT = 5e-4
VAE_POOL, VAE_CROP, FULL_EVERY = 4000, 64, 4
# the scenes whose latents are stored: by pixels a side, how many, and their seed
SCENES = {128: (6000, 2), 256: (1600, 261), 512: (400, 517)}
# the first of them, whose pictures the decoder is trained on
POOLS = {128: 1500, 256: 400, 512: 100}
UNET_BATCH, LARGE_BATCH, UNET_CROP = 8, 2, 32
CAPTION_DROPOUT = 0.1
# above 1 prefers timesteps with little noise, which decide the detail; below 1 those with much
TIMESTEP_POWER = 1.2
# a hires pass starts half-way through the timesteps; larger pictures are learnt up to this share
NOISIEST = 0.7
# a U-Net's latents are never exact, so the decoder is trained to tolerate this much noise
NOISE = 0.1
DECODER_CROP = 8
# sides in pixels of the whole pictures that the decoder sees in turn
TURNS = (256, 128, 256, 256, 128, 512)
RUNS = CACHE / "runs"
MODEL = Path(__file__).parents[1] / "model"

LossOf = Callable[[int, torch.Generator], torch.Tensor]


def load(name: str) -> Any:
    """The result of a stage."""
    return torch.load(RUNS / f"{name}.pt", weights_only=True)


def save(name: str, result: Any) -> None:
    """Write the result of a stage, completely or not at all."""
    RUNS.mkdir(parents=True, exist_ok=True)
    partial = RUNS / f"{name}.partial"
    torch.save(result, partial)
    partial.replace(RUNS / f"{name}.pt")


def train(
    name: str, module: nn.Module, loss_of: LossOf, steps: int, lr: float, decay: float = 0.999
) -> None:
    """Train the module; the result is the average of its weights, and the losses."""
    optimizer = torch.optim.AdamW(module.parameters(), lr, betas=(0.9, 0.99), weight_decay=1e-2)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARM_UP, steps)
    average = EMAModel(module.parameters(), decay)
    losses = []
    module.train()
    for step in tqdm(range(steps), desc=name, mininterval=10):
        loss = loss_of(step, torch.Generator().manual_seed(step))
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), CLIP_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average.step(module.parameters())
        losses.append(loss.item())
    average.copy_to(module.parameters())
    save(name, {"weights": module.state_dict(), "losses": losses})


def trained(module: nn.Module, name: str) -> Any:
    """The module with a stage's weights, for inference."""
    module.load_state_dict(load(name)["weights"])
    return module.eval()


def train_vae() -> None:
    """The autoencoder, on crops, which are fast, and every few steps on a whole picture."""
    torch.manual_seed(SEED)
    vae, (pool, _) = build_vae(), scene_pool(VAE_POOL, seed=1)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        side, count = (pool.shape[-1], 1) if step % FULL_EVERY == 0 else (VAE_CROP, 4)
        picks = torch.randint(len(pool), (count,), generator=generator)
        corners = torch.randint(pool.shape[-1] - side + 1, (count, 2), generator=generator)
        crops = [pool[i, :, y : y + side, x : x + side] for i, (y, x) in zip(picks, corners)]
        x = to_unit(torch.stack(crops))
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.sample(generator=generator)).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return picture_loss(y, x) + KL_WEIGHT * kl

    train("vae", vae, loss_of, steps=3500, lr=1.5e-3)


def picture_loss(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The loss between y and x: in colour, and in differences between pixels, for sharp edges."""
    rows, columns = (y - x).diff(dim=-2).abs().mean(), (y - x).diff(dim=-1).abs().mean()
    return F.l1_loss(y, x) + 0.3 * F.mse_loss(y, x) + 0.5 * (rows + columns)


@torch.no_grad()
def write_latents() -> None:
    """The scenes' captions and latents, and the autoencoder whose latent channels are unit ones."""
    vae, stored = trained(build_vae(), "vae"), {}
    for side, (count, seed) in SCENES.items():
        pictures, captions = scene_pool(count, seed, side)
        batches = pictures.split(max(1, 16 * 128 * 128 // side**2))
        moments = [vae.encode(to_unit(batch)).latent_dist for batch in tqdm(batches)]
        mean, std = (torch.cat([getattr(m, name) for m in moments]) for name in ("mean", "std"))
        stored[side] = {"mean": mean, "std": std, "captions": captions}
    mean, std = stored[128]["mean"], stored[128]["std"]
    shift = mean.mean((0, 2, 3))
    scale = (mean.var((0, 2, 3)) + std.square().mean((0, 2, 3))).rsqrt()
    _normalise(vae, shift, scale)
    columns = (1, -1, 1, 1)
    for state in stored.values():
        state["mean"] = ((state["mean"] - shift.view(columns)) * scale.view(columns)).half()
        state["std"] = (state["std"] * scale.view(columns)).half()
    save("latents", {"scenes": stored, "weights": vae.state_dict()})


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


def train_unet() -> None:
    """U-Net and text encoder together, on small pictures."""
    torch.manual_seed(SEED + 1)
    denoiser, draw = Denoiser(), _latents_to_denoise()

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        return denoising_loss(denoiser, *draw(128, UNET_BATCH, generator), generator)

    train("unet", denoiser, loss_of, steps=2400, lr=1e-3, decay=0.998)


def train_unet_large() -> None:
    """The same on small pictures and crops of larger ones in turn, for the hires pass.

    The small ones go on at all timesteps, so that nothing is forgotten.
    """
    denoiser, draw = trained(Denoiser(), "unet"), _latents_to_denoise()

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        if step % 2 == 0:
            return denoising_loss(denoiser, *draw(128, UNET_BATCH, generator), generator)
        drawn = draw((256, 512)[step // 2 % 2], LARGE_BATCH, generator)
        return denoising_loss(denoiser, *drawn, generator, NOISIEST)

    train("unet-large", denoiser, loss_of, steps=3000, lr=5e-4, decay=0.998)


def _latents_to_denoise() -> Callable[[int, int, torch.Generator], tuple[torch.Tensor, ...]]:
    """Draws latents of scenes of a side in pixels, and the tokens of their captions."""
    scenes = load("latents")["scenes"]
    # number 0 is the empty caption, for caption dropout
    unique = ["", *sorted({caption for state in scenes.values() for caption in state["captions"]})]
    numbers = {
        side: torch.tensor([unique.index(caption) for caption in state["captions"]])
        for side, state in scenes.items()
    }
    tokens = tokenize(unique)

    def draw(side: int, count: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        picks = torch.randint(len(numbers[side]), (count,), generator=generator)
        mean, std = (scenes[side][name][picks].float() for name in ("mean", "std"))
        crop = min(UNET_CROP, mean.shape[-1])
        top, left = torch.randint(mean.shape[-1] - crop + 1, (2,), generator=generator)
        window = (..., slice(top, top + crop), slice(left, left + crop))
        z = mean[window] + std[window] * torch.randn(mean[window].shape, generator=generator)
        dropped = torch.rand(count, generator=generator) < CAPTION_DROPOUT
        return z, tokens[numbers[side][picks].masked_fill(dropped, 0)]

    return draw


def denoising_loss(
    denoiser: Denoiser,
    z: torch.Tensor,
    tokens: torch.Tensor,
    generator: torch.Generator,
    noisiest: float = 1.0,
) -> torch.Tensor:
    """The squared error of v on latents `z`, at timesteps up to the share `noisiest` of them."""
    scheduler = build_scheduler()
    # one draw from each slice of the timesteps: less variance than independent draws
    slices = (torch.arange(len(z)) + torch.rand(len(z), generator=generator)) / len(z)
    last = noisiest * scheduler.config.num_train_timesteps
    timesteps = (slices**TIMESTEP_POWER * last).long()
    noise = torch.randn(z.shape, generator=generator)
    noisy = scheduler.add_noise(z, noise, timesteps)
    target = scheduler.get_velocity(z, noise, timesteps)
    context = denoiser.text(tokens).last_hidden_state
    return F.mse_loss(denoiser.unet(noisy, timesteps, context).sample, target)


def train_decoder() -> None:
    """The decoder alone, on crops of the stored latents and of the pictures they came from."""
    decoder, pairs = Decoder(trained(build_vae(), "latents")), _pairs()

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        count, side = (1, None) if step % FULL_EVERY == 0 else (4, DECODER_CROP)
        z, x = zip(*(pairs(128, side, generator) for _ in range(count)))
        return picture_loss(decoder(torch.cat(z)), torch.cat(x))

    train("decoder", decoder, loss_of, steps=900, lr=8e-4)


def train_decoder_large() -> None:
    """The decoder on whole pictures of all sizes.

    On larger ones than it was trained on, its normalisation layers would shift the colours.
    """
    decoder, pairs = trained(Decoder(build_vae()), "decoder"), _pairs()

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        z, x = pairs(TURNS[step % len(TURNS)], None, generator)
        return picture_loss(decoder(z), x)

    train("decoder-large", decoder, loss_of, steps=210, lr=4e-4, decay=0.98)


def _pairs() -> Callable[[int, int | None, torch.Generator], tuple[torch.Tensor, torch.Tensor]]:
    """Draws noisy latents of a scene of a side in pixels, or a crop of them, and its picture."""
    scenes = load("latents")["scenes"]
    pictures = {side: scene_pool(count, SCENES[side][1], side)[0] for side, count in POOLS.items()}

    def draw(side: int, crop: int | None, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        pick = torch.randint(POOLS[side], (1,), generator=generator)
        mean, std = (scenes[side][name][pick].float() for name in ("mean", "std"))
        crop = crop or mean.shape[-1]
        top, left = torch.randint(mean.shape[-1] - crop + 1, (2,), generator=generator).tolist()
        cells = (..., slice(top, top + crop), slice(left, left + crop))
        pixels = (..., slice(8 * top, 8 * (top + crop)), slice(8 * left, 8 * (left + crop)))
        noise = NOISE * torch.rand((), generator=generator)
        spread = (std[cells].square() + noise**2).sqrt()
        z = mean[cells] + spread * torch.randn(spread.shape, generator=generator)
        return z, to_unit(pictures[side][pick][pixels])

    return draw


STAGES = {
    "vae": train_vae,
    "latents": write_latents,
    "unet": train_unet,
    "decoder": train_decoder,
    "unet-large": train_unet_large,
    "decoder-large": train_decoder_large,
}


def main() -> None:
    """Run the stages that are left, and write the pipeline with its samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=MODEL, help="where the model is written")
    folder = parser.parse_args().output
    for name, run in STAGES.items():
        if not (RUNS / f"{name}.pt").exists():
            run()
    vae = trained(build_vae(), "latents")
    vae.register_to_config(scaling_factor=1.0)
    vae.load_state_dict(load("decoder-large")["weights"], strict=False)
    write(vae, trained(Denoiser(), "unet-large"), folder)
    draw_losses({name: load(name)["losses"] for name in STAGES if name != "latents"}, folder)
    draw_samples(folder)


if __name__ == "__main__":
    main()
