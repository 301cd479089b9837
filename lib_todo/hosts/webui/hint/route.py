"""The route from which the page gets the hint, also during a generation."""

from __future__ import annotations

import contextlib
import functools
import types
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from ....plan import latent_grid
from ....samplers import FROM_NOISE, rule_for
from .. import host
from . import machine, step_times, text
from .text import UNKNOWN, Part

HINT = "/todo/hint"
LONGEST_SIDE = 65536
# noise levels of more would take too long to work out whenever a control is moved
MOST_STEPS = 1000
# what the page's choices show where nothing is chosen
SAME = ("Use same checkpoint", "Use same sampler", "Use same scheduler")
DEFAULT_SAMPLER = "Default"


class Sampling(BaseModel):
    """How a pass is sampled, as its controls show it.

    `steps` is 0 where the page does not tell; `strength` is None for a pass that starts from noise.
    """

    sampler: str = ""
    scheduler: str = ""
    steps: int = Field(0, ge=0, le=MOST_STEPS)
    strength: float | None = Field(None, ge=0, le=1)
    # the first pass's is the one for all generations
    checkpoint: str = ""


class Hires(Sampling):
    """Hires fix as its controls show it; an `x` or `y` of 0 follows from the other or the scale."""

    enabled: bool = False
    scale: float = Field(1, ge=0, le=64)
    x: int = Field(0, ge=0, le=LONGEST_SIDE)
    y: int = Field(0, ge=0, le=LONGEST_SIDE)

    def size(self, width: int, height: int) -> host.Size:
        """The size of the hires pass, computed as the host does."""
        if not self.x and not self.y:
            return int(width * self.scale), int(height * self.scale)
        return self.x or self.y * width // height, self.y or self.x * height // width


class Asked(Sampling):
    """The state of a tab: sizes in pixels, and the values of ToDo's controls."""

    width: int = Field(ge=1, le=LONGEST_SIDE)
    height: int = Field(ge=1, le=LONGEST_SIDE)
    hires: Hires = Field(default_factory=Hires)
    images: int = Field(1, ge=1, le=1024)
    # any values; the settings' own check says what is wrong with one
    values: dict[str, Any] = Field(default_factory=dict)

    def parts(self) -> list[Part]:
        """The passes."""
        size = self.width, self.height
        passes: list[tuple[str, Sampling, host.Size]] = [("first", self, size)]
        if self.hires.enabled:
            passes.append(("hires", self.hires, self.hires.size(*size)))
        found = []
        for name, asked, size in passes:
            sampler = _sampler(_chosen(asked.sampler) or self.sampler)
            scheduler = _chosen(asked.scheduler) or self.scheduler
            checkpoint, latent = _chosen(asked.checkpoint), latent_grid(*size)
            path = host.path_named(checkpoint)
            kind = step_times.known_before(path, latent, self.images, sampler, scheduler or None)
            seen = functools.partial(step_times.seen, kind)
            shape = host.shape_named(checkpoint) or UNKNOWN
            sigmas = _levels(asked, host.loaded_as(checkpoint), sampler, scheduler, name == "hires")
            found.append(Part(shape, size, sampler, sigmas, self.images, name, seen))
        return found


def add(app: FastAPI) -> None:
    """Add the route (when the app has started)."""
    app.add_api_route(HINT, answer_hint, methods=["POST"])


def answer_hint(asked: Asked) -> dict[str, list[str]]:
    """A line for each pass of the generation.

    It takes some milliseconds and does not wait for a generation. It runs in a thread of its own,
    since the noise levels may be on a GPU that is at work.
    """
    candidates = machine.here().candidates()
    return {"lines": text.lines(asked.parts(), asked.values, candidates)}


def _levels(
    asked: Sampling, model: Any, sampler: str, scheduler: str, is_hires: bool
) -> tuple[float, ...]:
    """The noise levels of the steps that will be run, by the host's own code.

    Before the checkpoint is loaded (`model` is None), and with samplers that go by timesteps of
    their own, those for which the rule has the least reason to be careful: they fall evenly. Where
    the page names no schedule (before 1.9, SD.Next), it is known at least whether they begin in
    noise. Empty where the number of steps is not known, and for a sampler that may take the paper's
    factors whatever its schedule is.
    """
    # all that the host's methods read of a generation and write to it
    p = types.SimpleNamespace(
        steps=asked.steps,
        hr_second_pass_steps=0,
        denoising_strength=asked.strength,
        scheduler=scheduler,
        hr_scheduler=scheduler,
        is_hr_pass=is_hires,
        sampler_noise_scheduler_override=None,
        extra_generation_params={},
        sd_model=model,
    )
    sigmas: tuple[float, ...] = ()
    from_noise = asked.strength is None
    whole, steps = host.steps_of(p, from_noise or not asked.steps)
    if model is not None and scheduler and 0 < steps <= whole <= MOST_STEPS:
        from modules import sd_samplers

        # a sampler or schedule of another extension may want a real generation
        with contextlib.suppress(Exception):
            p.sampler = sd_samplers.create_sampler(sampler, model)
            sigmas = host.levels_of(p, whole, steps)
    if steps and not sigmas and rule_for(sampler, reported=True).careful_from:
        # no step leaps, and only the last one closes; a real schedule may close one or two earlier
        first = FROM_NOISE if from_noise and not scheduler else 1.0
        sigmas = (*(first / 2**step for step in range(steps)), 0.0)
    return sigmas


def _chosen(name: str) -> str:
    return "" if name in SAME else name


def _sampler(name: str) -> str:
    """The sampler that a control names; SD.Next's default is the checkpoint's own scheduler."""
    own = getattr(host.loaded(), "default_scheduler", None)
    return type(own).__name__ if name == DEFAULT_SAMPLER and own is not None else name
