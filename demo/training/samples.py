"""Draw what the model card shows: the losses, and sample pictures of the written model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from diffusers.utils import make_image_grid
from PIL import Image

from .scenes import BACKGROUNDS, SUBJECTS, caption_of

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SEED, HIRES_ROW = 7, 2
OPTIONS = {"num_inference_steps": 25, "guidance_scale": 3.0}
# pixels a side and strength; the grid shows all in the first one's size
HIRES = ((256, 0.3), (256, 0.5), (512, 0.3))
WINDOW = 50


def draw_losses(curves: dict[str, list[float]], folder: Path) -> None:
    """Plot the running means of the losses, one panel each."""
    figure, panels = plt.subplots(1, len(curves), figsize=(4.5 * len(curves), 3), dpi=80)
    for axes, (name, losses) in zip(panels, curves.items()):
        axes.plot(torch.tensor(losses).unfold(0, WINDOW, 1).mean(-1))
        axes.set(title=name, xlabel="step", ylabel=f"loss, mean of {WINDOW}", yscale="log")
        axes.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(folder / "loss.png")
    plt.close(figure)


def draw_samples(folder: Path) -> None:
    """Sample from what was written, so that the grids show the shipped weights."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    again = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    rows = [
        _pictures(pipe, background, SEED + row, height=128, width=128)
        for row, background in enumerate(BACKGROUNDS)
    ]
    _save(rows, folder / "samples.jpg")
    # enlarged as hires fix does: image to image from an upscale
    large = []
    for side, strength in HIRES:
        upscaled = [p.resize((side, side), Image.Resampling.LANCZOS) for p in rows[HIRES_ROW]]
        options = {"image": upscaled, "strength": strength}
        large.append(_pictures(again, list(BACKGROUNDS)[HIRES_ROW], SEED, **options))
    _save(large, folder / "samples-hires.jpg")


def _pictures(pipe: Any, background: str, seed: int, **options: Any) -> list[Image.Image]:
    """One picture for each subject."""
    prompts = [caption_of(subject, background) for subject in SUBJECTS]
    generator = torch.Generator().manual_seed(seed)
    return pipe(prompts, generator=generator, **OPTIONS, **options).images


def _save(rows: list[list[Image.Image]], path: Path) -> None:
    flat = [picture.resize(rows[0][0].size) for row in rows for picture in row]
    make_image_grid(flat, len(rows), len(SUBJECTS)).save(path, quality=92)
