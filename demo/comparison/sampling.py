"""Sample a picture's passes through the pipeline, and measure the last one."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image
from diffusers.callbacks import MultiPipelineCallbacks
from PIL import Image

from demo.comparison.measure import KeyCounter, LevelKeys, OnStep, StepClock, peak_memory, wait_for
from demo.comparison.methods import Method
from demo.comparison.recipe import Recipe
from lib_todo.hosts.diffusers import StepProgress


@dataclasses.dataclass(frozen=True)
class Run:
    """A final picture and its measurements."""

    image: Image.Image
    seconds: float
    step_seconds: list[float]
    peak_memory: int
    levels: list[LevelKeys]
    report: dict[str, Any] | None
    report_line: str


class Sampler:
    """Samples a recipe's passes by a text-to-image pipeline and an image-to-image one of it."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.unet = pipe.unet
        self._image_pipe = AutoPipelineForImage2Image.from_pipe(pipe)
        for each in (self.pipe, self._image_pipe):
            each.set_progress_bar_config(disable=True)

    def first_pass(self, recipe: Recipe, on_step: OnStep) -> Image.Image:
        """The first pass of hires fix, enlarged to the final size."""
        width, height = recipe.first
        with StepClock(self.unet, on_step).running() as clock:
            small = self.pipe(
                **self._common(recipe),
                num_inference_steps=recipe.steps,
                width=width,
                height=height,
                callback_on_step_end=clock,
            ).images[0]
        return small.resize(recipe.size, Image.Resampling.LANCZOS)

    def last_pass(
        self, recipe: Recipe, method: Method, enlarged: Image.Image | None, on_step: OnStep
    ) -> Run:
        """The final picture by `method`, from the enlarged first pass or from noise."""
        clock, counter = StepClock(self.unet, on_step), KeyCounter(self.unet)
        # tomesd uses PyTorch's global random generator
        torch.manual_seed(recipe.seed)
        with (
            method.applied(self.pipe) as report,
            clock.running(),
            counter.counting(),
            peak_memory(self.unet) as peak,
        ):
            announce = [StepProgress(report, "hires" if enlarged else "first")] if report else []
            started = time.perf_counter()
            image = self._sample(recipe, enlarged, MultiPipelineCallbacks([*announce, clock]))
            wait_for(self.unet)
            seconds = time.perf_counter() - started
            memory = peak()
        return Run(
            image=image,
            seconds=seconds,
            step_seconds=clock.seconds,
            peak_memory=memory,
            levels=counter.levels(),
            report=report.to_dict() if report else None,
            report_line=report.line() if report else "",
        )

    def _sample(
        self, recipe: Recipe, enlarged: Image.Image | None, callback: MultiPipelineCallbacks
    ) -> Image.Image:
        common = {**self._common(recipe), "callback_on_step_end": callback}
        common["num_inference_steps"] = recipe.steps
        if enlarged is None:
            return self.pipe(**common, width=recipe.width, height=recipe.height).images[0]
        return self._image_pipe(**common, image=enlarged, strength=recipe.strength).images[0]

    @staticmethod
    def _common(recipe: Recipe) -> dict[str, Any]:
        return {
            "prompt": recipe.prompt,
            "negative_prompt": recipe.negative_prompt or None,
            "guidance_scale": recipe.guidance,
            # on the CPU, so that all devices start from the same noise
            "generator": torch.Generator().manual_seed(recipe.seed),
        }
