"""Write the averaged weights as a diffusers pipeline folder in half precision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from .samples import HIRES, base_pictures, draw_losses, hires_pictures, tile
from .scenes import BACKGROUNDS
from .text import load_tokenizer, tokenizer_folder
from .unet import Denoiser, build_scheduler

GRID_SEED, HIRES_ROW = 7, 2


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
    pipe.to(torch.float16).save_pretrained(folder)
    _use_plain_tokenizer(folder / "tokenizer")
    _use_old_text_names(folder / "text_encoder" / "model.safetensors")
    _load_text_as_float32(folder / "text_encoder" / "config.json")
    draw_losses(curves, folder / "loss.png")
    _draw_samples(folder)


def _use_plain_tokenizer(folder: Path) -> None:
    """Ship only the four classic files: every version of transformers reads them."""
    shutil.rmtree(folder)
    shutil.copytree(tokenizer_folder(), folder)


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
    tile(rows).save(folder / "samples.png", optimize=True)
    background = list(BACKGROUNDS)[HIRES_ROW]
    large = [
        hires_pictures(pipe, rows[HIRES_ROW], background, GRID_SEED, side, strength)
        for side, strength in HIRES
    ]
    tile(large).save(folder / "samples-hires.png", optimize=True)
