"""A real checkpoint, how its pictures are sampled, and what their results depend on."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch

from benchmarks.models.schedulers import make_scheduler
from comparison.loading import Source, load
from comparison.recipe import Recipe
from comparison.sampling import Sampler
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
    def name(self) -> str:
        """As in the results and on the command line."""
        how = "from noise" if self.strength is None else f"strength {self.strength:g}"
        return f"{self.sampler}, {self.steps} steps, {how}"


class Checkpoint:
    """A diffusers folder, the side in pixels it was trained at, and the steps of a pass."""

    def __init__(self, folder: Path, native: int, steps: int, device: torch.device) -> None:
        self.folder, self.native, self.steps = folder, native, steps
        self.sampler = Sampler(load(Source(str(folder)), str(device), torch.float32))
        self._first_passes: dict[tuple[int, int], Any] = {}

    @property
    def threshold(self) -> int:
        """ToDo's threshold: the side in tokens of its own largest grid."""
        return self.native // PIXELS_PER_LATENT

    def conditions(self) -> dict[str, Any]:
        """What its results depend on: how it is used, and a digest of its weights."""
        return {
            "native": self.native,
            "steps": self.steps,
            "strength": STRENGTH,
            "guidance": GUIDANCE,
            "checkpoint": digest_of(self.folder),
        }

    def latents(self, seed: int, side: int, sampling: Sampling | None = None) -> torch.Tensor:
        """The latents of hires fix's second pass at `side` pixels.

        The first pass, at the checkpoint's own size with its own sampler, is the same for all.
        """
        sampling = sampling or Sampling(steps=self.steps)
        enlarged = None
        if sampling.strength is not None:
            if (seed, side) not in self._first_passes:
                recipe = self._recipe(seed, side, Sampling(steps=self.steps))
                self._first_passes[seed, side] = self.sampler.first_pass(recipe)
            enlarged = self._first_passes[seed, side]
        scheduler = make_scheduler(sampling.sampler, self.sampler.pipe.scheduler)
        recipe = self._recipe(seed, side, sampling)
        return self.sampler.last_pass(recipe, enlarged, scheduler=scheduler, output_type="latent")

    def _recipe(self, seed: int, side: int, sampling: Sampling) -> Recipe:
        return Recipe(
            prompt_of(seed),
            seed=seed,
            steps=sampling.steps,
            guidance=GUIDANCE,
            width=side,
            height=side,
            first=None if sampling.strength is None else (self.native, self.native),
            strength=sampling.strength or 1.0,
        )


def digest_of(folder: Path) -> str:
    """A digest of the weights in a diffusers folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/*")):
        if path.suffix in WEIGHTS:
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()[:12]
