"""Go on training the U-Net with larger pictures beside the small ones, for the hires pass.

A picture enlarged and sampled again starts half-way through the timesteps, so the larger pictures
are learnt only up to there; the small ones go on at all timesteps, so that nothing is forgotten.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from tqdm import tqdm

from .data import scene_pool, to_unit
from .loop import Run
from .unet import BATCH, Captions, LatentPool, build_scheduler, denoising_loss

# pixels a side -> how many scenes; the largest are seen in cut-outs of CROP latents a side
SCENES = {256: 1600, 512: 400}
SCENE_SEED = 5
CROP, LARGE_BATCH = 32, 2
NOISIEST = 0.7


@torch.no_grad()
def write_large_latents(vae: AutoencoderKL, scaling_factor: float, path: Path) -> None:
    """Write the captions, means and deviations of the larger scenes, in half precision."""
    vae.eval()
    states = []
    for size, count in SCENES.items():
        pictures, captions = scene_pool(count, SCENE_SEED + size, size)
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
