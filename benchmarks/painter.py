"""Pictures as hires fix makes them, with a real checkpoint: the same seed, the same picture.

A first pass at the checkpoint's own size, enlarged, then image to image.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.peers import DIFFUSERS, Case
from benchmarks.unet import PIXELS_PER_LATENT
from lib_todo import Settings

WEIGHTS = (".safetensors", ".bin")
STEPS, STRENGTH, GUIDANCE = 16, 0.6, 3.0
SUBJECTS = ("a fox", "a frog", "a penguin", "a mushroom", "a whale", "a pig")
PLACES = ("on a beach", "in the night", "in a meadow", "in the snow")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A diffusers folder, the side in pixels it was trained at, and the steps of a pass."""

    folder: Path
    native: int
    steps: int = STEPS

    @property
    def threshold(self) -> int:
        """Its own grid's side in tokens."""
        return self.native // PIXELS_PER_LATENT

    def described(self) -> dict[str, Any]:
        """What its results are told apart by: how it is used, and a digest of its weights."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*/*")):
            if path.suffix in WEIGHTS:
                with path.open("rb") as file:
                    hashlib.file_digest(file, lambda: digest)
        return {
            "native": self.native,
            "steps": self.steps,
            "strength": STRENGTH,
            "guidance": GUIDANCE,
            "checkpoint": digest.hexdigest()[:12],
        }


class Painter:
    """The checkpoint's pipelines; draws the same picture for the same seed."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

        self.checkpoint = checkpoint
        self.first = StableDiffusionPipeline.from_pretrained(
            checkpoint.folder, safety_checker=None, torch_dtype=torch.float32
        ).to(device)
        self.second = StableDiffusionImg2ImgPipeline(
            **self.first.components, requires_safety_checker=False
        )
        for pipe in (self.first, self.second):
            pipe.set_progress_bar_config(disable=True)

    def case(self, side: int) -> Case:
        """The U-Net as methods of `peers` take it that need no grids, at `side` pixels."""
        return Case(self.first.unet, DIFFUSERS, "checkpoint", side, side, [], Settings())

    def _common(self, seed: int) -> dict[str, Any]:
        subject = SUBJECTS[seed % len(SUBJECTS)]
        place = PLACES[seed // len(SUBJECTS) % len(PLACES)]
        return {
            "prompt": f"{subject} {place}",
            "num_inference_steps": self.checkpoint.steps,
            "guidance_scale": GUIDANCE,
            "generator": torch.Generator().manual_seed(seed),
        }

    def enlarged(self, seed: int, side: int) -> Image.Image:
        """The first pass, enlarged to `side` pixels."""
        native = self.checkpoint.native
        small = self.first(**self._common(seed), width=native, height=native).images[0]
        return small.resize((side, side), Image.Resampling.LANCZOS)

    def latents(self, seed: int, start: Image.Image, report: Any = None) -> torch.Tensor:
        """The second pass; `report` is told the steps."""

        def on_step(pipe: Any, index: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if report is not None:
                report.progress(index + 1, pipe.num_timesteps)
            return tensors

        if report is not None:
            report.progress(0, 1)
        return self.second(
            **self._common(seed),
            image=start,
            strength=STRENGTH,
            output_type="latent",
            callback_on_step_end=on_step,
        ).images

    def picture(self, latents: torch.Tensor) -> Image.Image:
        """The latents through the decoder."""
        pixels = self.first.vae.decode(latents / self.first.vae.config.scaling_factor).sample
        return self.first.image_processor.postprocess(pixels)[0]
