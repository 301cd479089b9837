"""Write the averaged weights as a diffusers pipeline folder in half precision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import matplotlib
import torch
from diffusers import AutoencoderKL, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from .scenes import BACKGROUNDS, SUBJECTS, caption_of
from .unet import TOKENIZER, Denoiser, build_scheduler, load_tokenizer

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GRID_SEED, HIRES_ROW = 7, 2
STEPS, GUIDANCE = 25, 3.0
# pixels a side and strength; the grid shows all in the first one's size
HIRES = ((256, 0.3), (256, 0.5), (512, 0.3))


def build_pipeline(vae: AutoencoderKL, denoiser: Denoiser) -> StableDiffusionPipeline:
    """The parts as a pipeline."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text,
        tokenizer=load_tokenizer(),
        unet=denoiser.unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(
    vae: AutoencoderKL, denoiser: Denoiser, curves: dict[str, list[float]], folder: Path
) -> None:
    """Write the pipeline, its sample grids and the loss curves."""
    folder.mkdir(parents=True, exist_ok=True)
    pipe = build_pipeline(vae, denoiser)
    # the four classic files alone: every version of transformers reads them
    plain = {path.name: path.read_bytes() for path in TOKENIZER.iterdir()}
    pipe.to(torch.float16).save_pretrained(folder)
    shutil.rmtree(folder / "tokenizer")
    (folder / "tokenizer").mkdir()
    for name, content in plain.items():
        (folder / "tokenizer" / name).write_bytes(content)
    _use_old_text_names(folder / "text_encoder" / "model.safetensors")
    _load_text_as_float32(folder / "text_encoder" / "config.json")
    draw_losses(curves, folder / "loss.png")
    _draw_samples(folder)


def _use_old_text_names(path: Path) -> None:
    """Names that transformers before 5 knows too; the newer ones still read them."""
    state = load_file(path)
    if not any(name.startswith("text_model.") for name in state):
        state = {f"text_model.{name}": weight for name, weight in state.items()}
        save_file(state, path, metadata={"format": "pt"})


def _load_text_as_float32(path: Path) -> None:
    """transformers 5 would load the file's own precision, beside a U-Net in diffusers' float32."""
    config = json.loads(path.read_text("utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def _draw_samples(folder: Path) -> None:
    """Sample from what was written, so that the grid shows the shipped weights."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    rows = base_pictures(pipe, GRID_SEED)
    tile(rows).save(folder / "samples.jpg", quality=92)
    background = list(BACKGROUNDS)[HIRES_ROW]
    large = [
        hires_pictures(pipe, rows[HIRES_ROW], background, GRID_SEED, side, strength)
        for side, strength in HIRES
    ]
    tile(large).save(folder / "samples-hires.jpg", quality=92)


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
