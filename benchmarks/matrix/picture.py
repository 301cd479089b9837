"""What every cell samples: the embedded model's picture of a seed, enlarged to twice its size."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.models.checkpoint import GUIDANCE, STEPS, digest_of, prompt_of
from lib_todo import Settings
from lib_todo.plan import PIXELS_PER_LATENT

FOLDER = Path(__file__).parents[2] / "demo" / "model"
NATIVE, TIMES = 128, 2
SIDE = NATIVE * TIMES
# all errors are ratios to its error
PAPER = "paper"
PRESETS = (PAPER, "close", "balanced", "fast")


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a sampling starts: the latents that it adds noise to, the noise, and the prompts."""

    latents: torch.Tensor
    noise: torch.Tensor
    positive: torch.Tensor
    negative: torch.Tensor


def conditions() -> dict[str, Any]:
    """What the results depend on besides the host."""
    return {"side": SIDE, "guidance": GUIDANCE, "checkpoint": digest_of(FOLDER)}


@functools.cache
def pipeline() -> Any:
    """The embedded model with diffusers."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(FOLDER, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@functools.cache
def enlarged(seed: int, times: int = TIMES) -> Image.Image:
    """The picture of a seed, at so many times the trained size."""
    pipe, generator = pipeline(), torch.Generator().manual_seed(seed)
    asked = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "generator": generator}
    with torch.inference_mode():
        small = pipe(prompt_of(seed), width=NATIVE, height=NATIVE, **asked).images[0]
    return small.resize((NATIVE * times, NATIVE * times), Image.Resampling.LANCZOS)


@functools.cache
def start(seed: int, times: int = TIMES) -> Start:
    """The start for a seed, at so many times the trained size; `latents` are scaled."""
    pipe = pipeline()
    with torch.inference_mode():
        positive, negative = pipe.encode_prompt(prompt_of(seed), "cpu", 1, GUIDANCE > 1)
        pixels = pipe.image_processor.preprocess(enlarged(seed, times))
        latents = pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
    return Start(latents, noise, positive, negative)


def settings_of(preset: str) -> Settings:
    """The preset for the embedded model's own grid."""
    return Settings.from_preset(preset, threshold=NATIVE // PIXELS_PER_LATENT)
