"""Hires fix with a real checkpoint: a first pass at its own size, enlarged, then image to image."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.models.schedulers import make_scheduler
from benchmarks.peers.case import Case
from benchmarks.peers.names import DIFFUSERS
from lib_todo import Settings
from lib_todo.hosts.diffusers import StepProgress
from lib_todo.plan import PIXELS_PER_LATENT

WEIGHTS = (".safetensors", ".bin")
STEPS, STRENGTH, GUIDANCE = 16, 0.6, 3.0
SUBJECTS = ("a fox", "a frog", "a penguin", "a mushroom", "a whale", "a pig")
PLACES = ("on a beach", "in the night", "in a meadow", "in the snow")


def prompt_of(seed: int) -> str:
    """A subject and a place that the embedded model knows, another for each seed."""
    place = PLACES[seed // len(SUBJECTS) % len(PLACES)]
    return f"{SUBJECTS[seed % len(SUBJECTS)]} {place}"


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How a picture is sampled: the sampler's name, its steps, and the denoising strength.

    Without a `sampler` it is the pipeline's own; without a `strength` it starts from noise.
    """

    sampler: str | None = None
    steps: int = STEPS
    strength: float | None = STRENGTH

    @property
    def steps_taken(self) -> int:
        """The steps that are left of `steps` by the denoising strength."""
        return self.steps if self.strength is None else int(self.steps * self.strength)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A diffusers folder, the side in pixels it was trained at, and the steps of a pass."""

    folder: Path
    native: int
    steps: int = STEPS

    @property
    def threshold(self) -> int:
        """ToDo's threshold: the side in tokens of its own largest grid."""
        return self.native // PIXELS_PER_LATENT

    def conditions(self) -> dict[str, Any]:
        """What its results depend on: how it is used, and a digest of its weights."""
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


class HiresPipeline:
    """Hires fix by the checkpoint: the same picture for the same seed."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

        self.checkpoint = checkpoint
        self.first = StableDiffusionPipeline.from_pretrained(
            checkpoint.folder, safety_checker=None, torch_dtype=torch.float32
        ).to(device)
        self.second = StableDiffusionImg2ImgPipeline(
            **self.first.components, requires_safety_checker=False
        )
        self._own_scheduler = self.first.scheduler
        for pipe in (self.first, self.second):
            pipe.set_progress_bar_config(disable=True)

    def case(self, side: int) -> Case:
        """Its U-Net at `side` pixels, for the methods of `peers` that need no grids."""
        return Case(self.first.unet, DIFFUSERS, "checkpoint", side, side, [], Settings())

    def _common(self, seed: int) -> dict[str, Any]:
        return {
            "prompt": prompt_of(seed),
            "num_inference_steps": self.checkpoint.steps,
            "guidance_scale": GUIDANCE,
            "generator": torch.Generator().manual_seed(seed),
        }

    def enlarged_first_pass(self, seed: int, side: int) -> Image.Image:
        """The first pass at the checkpoint's own size, enlarged to `side` pixels."""
        native = self.checkpoint.native
        small = self.first(**self._common(seed), width=native, height=native).images[0]
        return small.resize((side, side), Image.Resampling.LANCZOS)

    def second_pass(self, seed: int, start: Image.Image, report: Any = None) -> torch.Tensor:
        """The latents of hires fix's second pass; `report` follows its steps."""
        return self.second(
            **self._common(seed),
            image=start,
            strength=STRENGTH,
            output_type="latent",
            callback_on_step_end=None if report is None else StepProgress(report, "hires"),
        ).images

    def sample(self, seed: int, side: int, start: Image.Image, sampling: Sampling) -> torch.Tensor:
        """The latents at `side` pixels, from `start` or from noise; nobody tells the steps."""
        common = {**self._common(seed), "num_inference_steps": sampling.steps}
        pipe = self.first if sampling.strength is None else self.second
        if sampling.strength is None:
            common |= {"width": side, "height": side}
        else:
            common |= {"image": start, "strength": sampling.strength}
        # Euler a and the like draw from PyTorch's own generator where none is handed on
        torch.manual_seed(seed)
        pipe.scheduler = make_scheduler(sampling.sampler, self._own_scheduler)
        try:
            return pipe(**common, output_type="latent").images
        finally:
            pipe.scheduler = self._own_scheduler

    def decode(self, latents: torch.Tensor) -> Image.Image:
        """The latents through the decoder."""
        pixels = self.first.vae.decode(latents / self.first.vae.config.scaling_factor).sample
        return self.first.image_processor.postprocess(pixels)[0]
