"""Make the sample grids and the loss curve of the model card."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from PIL import Image

from .art import SUBJECTS
from .scenes import BACKGROUNDS, caption_of

matplotlib.use("Agg")
import matplotlib.pyplot as plt

STEPS, GUIDANCE = 25, 3.0
# pixels a side and strength; the grid shows all in the first one's size
HIRES = ((256, 0.3), (256, 0.5), (512, 0.3))


def base_pictures(pipe: StableDiffusionPipeline, seed: int) -> list[list[Image.Image]]:
    """One picture for each background (rows) and subject (columns)."""
    rows = []
    for row, background in enumerate(BACKGROUNDS):
        prompts = [caption_of(subject, background) for subject in SUBJECTS]
        generator = torch.Generator().manual_seed(seed + row)
        rows.append(_run(pipe, prompts, generator, height=128, width=128))
    return rows


def hires_pictures(
    pipe: StableDiffusionPipeline,
    row: list[Image.Image],
    background: str,
    seed: int,
    side: int,
    strength: float,
) -> list[Image.Image]:
    """The same pictures enlarged: image to image from an upscale, as hires fix does."""
    again = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    again.set_progress_bar_config(disable=True)
    prompts = [caption_of(subject, background) for subject in SUBJECTS]
    large = [picture.resize((side, side), Image.Resampling.LANCZOS) for picture in row]
    generator = torch.Generator().manual_seed(seed)
    return _run(again, prompts, generator, image=large, strength=strength)


def _run(pipe, prompts: list[str], generator: torch.Generator, **options) -> list[Image.Image]:
    pipe.set_progress_bar_config(disable=True)
    options |= {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
    return pipe(prompts, generator=generator, **options).images


def tile(rows: list[list[Image.Image]], gap: int = 2) -> Image.Image:
    """Paste rows of equally large pictures into one."""
    first = rows[0][0].size
    width, height = (side + gap for side in first)
    sheet = Image.new("RGB", (width * len(rows[0]), height * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture.resize(first), (x * width, y * height))
    return sheet


def draw_losses(curves: dict[str, list[float]], path: Path, window: int = 50) -> None:
    """Plot the running means of the losses, one panel each."""
    figure, axes = plt.subplots(1, len(curves), figsize=(4.5 * len(curves), 3), dpi=80)
    for axis, (name, losses) in zip(axes, curves.items(), strict=True):
        means = torch.tensor(losses).unfold(0, window, 1).mean(-1)
        axis.plot(range(window, len(losses) + 1), means)
        axis.set(title=name, xlabel="step", ylabel=f"loss, mean of {window}", yscale="log")
        axis.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
