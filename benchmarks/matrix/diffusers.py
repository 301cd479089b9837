"""Every cell of diffusers: its schedulers, by their options, in its image-to-image pipeline."""

from __future__ import annotations

import contextlib
import inspect
import itertools
from typing import Any

import torch

from benchmarks.matrix.cell import Cell
from benchmarks.matrix.picture import pipeline, start
from benchmarks.models.checkpoint import GUIDANCE
from benchmarks.models.schedulers import SCHEDULERS
from lib_todo import Settings, token_downsampling
from lib_todo.samplers import SamplerRule, rule_for
from lib_todo.schedulers import Schedule
from lib_todo.steps import Steps

KARRAS = "use_karras_sigmas"
# that options of a scheduler's configuration make another schedule; the first is the model's own
SCHEDULES: dict[str, dict[str, Any]] = {
    "leading": {},
    "linspace": {"timestep_spacing": "linspace"},
    "trailing": {"timestep_spacing": "trailing"},
    "karras": {KARRAS: True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "zero SNR": {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
}
# Karras' is a schedule of its own here
SAMPLERS = {
    name: (cls, {option: value for option, value in changes.items() if option != KARRAS})
    for name, (cls, changes) in SCHEDULERS.items()
    if not name.endswith("Karras")
}


class Diffusers:
    """diffusers' schedulers, each with the embedded model's configuration."""

    name = "diffusers"

    def __init__(self) -> None:
        from diffusers import AutoPipelineForImage2Image

        self.pipe = AutoPipelineForImage2Image.from_pipe(pipeline())
        self.pipe.set_progress_bar_config(disable=True)
        self._own = self.pipe.scheduler

    def pairs(self) -> list[tuple[str, str]]:
        """(sampler, schedule) of all its cells: those whose scheduler has such an option."""
        return [
            (sampler, schedule)
            for schedule, sampler in itertools.product(SCHEDULES, SAMPLERS)
            if SCHEDULES[schedule].keys() <= inspect.signature(_class_of(sampler)).parameters.keys()
        ]

    def rule(self, cell: Cell) -> tuple[SamplerRule, int]:
        """The rule of a cell's sampling, and how many steps it has, by its timesteps alone."""
        self.pipe.scheduler = self._scheduler(cell)
        self.pipe.scheduler.set_timesteps(cell.steps)
        timesteps, _ = self.pipe.get_timesteps(cell.steps, cell.strength, "cpu")
        clock = Steps(itertools.count(1))
        clock.expect_sampling(Schedule(self.pipe.scheduler))
        moment = clock.see(float(timesteps[0]))
        steps = len(list(itertools.groupby(timesteps.tolist())))
        return rule_for(clock.schedule.sampler, moment.reported, moment.sigmas), steps

    def sample(self, cell: Cell, seed: int, settings: Settings | None) -> torch.Tensor:
        """The latents of a cell; dense without settings."""
        begin = start(seed)
        self.pipe.scheduler = self._scheduler(cell)
        # some schedulers draw from PyTorch's own random generator
        torch.manual_seed(seed)
        with contextlib.nullcontext() if settings is None else token_downsampling(settings):
            return self.pipe(
                prompt_embeds=begin.positive,
                negative_prompt_embeds=begin.negative,
                image=begin.latents,
                strength=cell.strength,
                num_inference_steps=cell.steps,
                guidance_scale=GUIDANCE,
                generator=torch.Generator().manual_seed(seed),
                output_type="latent",
            ).images

    def _scheduler(self, cell: Cell) -> Any:
        changes = SAMPLERS[cell.sampler][1] | SCHEDULES[cell.schedule]
        return _class_of(cell.sampler).from_config(self._own.config, **changes)


def _class_of(sampler: str) -> Any:
    import diffusers

    return getattr(diffusers, SAMPLERS[sampler][0])
