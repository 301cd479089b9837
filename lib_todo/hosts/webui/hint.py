"""The hint in the accordion: how much faster the picture will be made, and by which preset.

The page asks for it by a route, also during a generation.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from ...cost.architectures import NOTHING_TO_POOL
from ...cost.rates import Rates
from ...cost.speedup import Pass, Stages, in_words
from ...cost.unet import pooled_levels
from ...plan import PIXELS_PER_LATENT, latent_grid, pooled_grid
from ...reasons import Reason
from ...samplers import FROM_NOISE, even_levels, rule_for
from ...settings import PRESET, Settings, SettingsError
from ...wording import REMEDIES
from . import host, request, step_times

HINT = "/todo/hint"
LONGEST_SIDE = 65536
# noise levels of more would take too long to work out whenever a control is moved
MOST_STEPS = 1000
# what the page's choices show where nothing is chosen
SAME = ("Use same checkpoint", "Use same sampler", "Use same scheduler")
DEFAULT_SAMPLER = "Default"
NAMES = {"first": "First pass", "hires": "Hires pass"}
# the shape of a checkpoint that neither is loaded nor has a file that tells
UNKNOWN = copy.copy(NOTHING_TO_POOL)
NO_LAYERS = "nothing changes, this model has no self-attention layers that ToDo can pool"
WAITS = (
    "Python launches the work more slowly than this GPU does it; a larger picture, a batch or "
    "torch.compile gains more"
)
# how much each preset changes the picture, beside the paper's; by how many times the trained side
# the picture is (docs/measurements)
CHANGES = {
    2: {"close": 0.05, "balanced": 0.50, "fast": 0.82, "paper": 1},
    3: {"close": 0.10, "balanced": 0.42, "fast": 0.49, "paper": 1},
    4: {"close": 0.20, "balanced": 0.41, "fast": 0.56, "paper": 1},
}


@dataclasses.dataclass(frozen=True)
class Part(Pass):
    """A pass as the page tells of it; `kind` is that of its step times, as far as it is known."""

    kind: str = ""


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
            shape = host.shape_named(checkpoint) or UNKNOWN
            sigmas = _levels(asked, host.loaded_as(checkpoint), sampler, scheduler, name == "hires")
            found.append(Part(shape, size, sampler, sigmas, self.images, name, kind))
        return found


def add(app: FastAPI) -> None:
    """Add the route (when the app has started)."""
    app.add_api_route(HINT, answer_hint, methods=["POST"])


def answer_hint(asked: Asked) -> dict[str, list[str]]:
    """A line for each pass of the generation.

    It takes some milliseconds and does not wait for a generation. It runs in a thread of its own,
    since the noise levels may be on a GPU that is at work.
    """
    candidates = host.machine().candidates()
    return {"lines": lines(asked.parts(), asked.values, candidates)}


def lines(parts: list[Part], values: Mapping[str, Any], machines: Sequence[Rates]) -> list[str]:
    """The hint: a line for each part, and one that compares the presets.

    Args:
        parts: the passes of the generation.
        values: what the controls show, by the names of the settings.
        machines: the machine's rates, or those of two machines between which it lies.
    """
    try:
        settings = Settings.from_mapping({**request.from_page(values), "enabled": True})
    except SettingsError as error:
        return [f"This will be refused. {request.in_words(error)}"]
    found, compared = [], ""
    for part in parts:
        if stages := part.stages(settings):
            told = _gain(part, stages, settings, machines)
            compared = _presets(part, settings.threshold, machines)
        elif part.shape.levels:
            told = "nothing changes, and nothing is lost"
        elif part.shape is UNKNOWN:
            told = "not known before the checkpoint is loaded"
        else:
            told = NO_LAYERS
        head = f"{NAMES[part.name]}, " if len(parts) > 1 else ""
        found.append(f"{head}{part.size[0]}×{part.size[1]}: {told}")
    if compared:
        found.append(compared)
    elif part.shape.levels:
        found[-1] += f". {_remedy(part, settings)}"
    return found


def _gain(part: Part, stages: Stages, settings: Settings, machines: Sequence[Rates]) -> str:
    """What is pooled in the part, and how much faster it gets."""
    *_, own = stages
    grids = []
    for (height, width), factor in pooled_levels(part.shape, part.latent, own):
        if factor > 1:
            left = pooled_grid((height, width), factor)
            grids.append(f"{width}×{height} → {left[1]}×{left[0]} tokens (by {factor:g})")
    told = f"{', '.join(grids)}. "
    # what was seen goes before what is computed
    if part.kind and (seen := step_times.seen(part.kind, settings)):
        return f"{told}{seen[0]:.2f} times as fast here, from {seen[1]} pictures"
    whole, step = (in_words(part.gain(held, machines)) for held in (stages, {own: 1.0}))
    told += f"{whole} times as fast"
    if step != whole:
        told += f", {step} times in steps with these factors"
    if len(machines) == 1:
        working, launching = part.seconds(own, machines[0])
        if launching > working:
            told += f". {WAITS}"
    return told


def _presets(part: Part, threshold: int, machines: Sequence[Rates]) -> str:
    """How fast each preset would make the part, and how much it would change the picture.

    With the `threshold` that is set, which is the checkpoint's.
    """
    names, gains = PRESET.choices, []
    for name in names:
        stages = part.stages(Settings.from_preset(name, threshold=threshold))
        gains.append(f"{name} {in_words(part.gain(stages, machines))}")
    told = f"{' · '.join(gains)} times as fast"
    # where the phase rests, all of them change it as the paper does
    if rule_for(part.sampler, reported=True, sigmas=part.sigmas).careful_from == 0:
        return told
    trained = threshold * min(part.shape.levels) * PIXELS_PER_LATENT
    ratio = math.sqrt(math.prod(part.size)) / trained
    change = CHANGES[min(CHANGES, key=lambda times: abs(times - ratio))]
    compared = " · ".join(f"{name} {change[name]:g}" for name in names)
    return f"{told}; change of the picture, where the paper's is 1: {compared}"


def _remedy(part: Part, settings: Settings) -> str:
    """What to change so that something is pooled, in the words of the line."""
    grids = [pooled_grid(part.latent, downscale) for downscale in part.shape.levels]
    reasons = {rule.decide(grid, grids[0])[1] for rule in part.rules(settings) for grid in grids}
    return next(REMEDIES[reason] for reason in Reason if reason in reasons)


def _levels(
    asked: Sampling, model: Any, sampler: str, scheduler: str, is_hires: bool
) -> tuple[float, ...]:
    """The noise levels of the steps that will be run, by the host's own code.

    It has none before the checkpoint is loaded (`model` is None), with samplers that go by
    timesteps of their own, and where the page names no schedule (before 1.9, SD.Next). Then they
    are `even_levels`; empty where the number of steps is not known, or the sampler may take the
    paper's factors whatever its schedule is.
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
        sigmas = even_levels(steps, FROM_NOISE if from_noise else 1.0)
    return sigmas


def _chosen(name: str) -> str:
    return "" if name in SAME else name


def _sampler(name: str) -> str:
    """The sampler that a control names; SD.Next's default is the checkpoint's own scheduler."""
    own = getattr(host.loaded(), "default_scheduler", None)
    return type(own).__name__ if name == DEFAULT_SAMPLER and own is not None else name
