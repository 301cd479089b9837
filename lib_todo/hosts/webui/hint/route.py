"""The route from which the page gets the hint, also during a generation."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from ....cost.architectures import UNetShape
from ....plan import latent_grid
from ....settings import Settings
from . import checkpoint, machine, parts, step_times, text
from .step_times import Seen

HINT = "/todo/hint"
LONGEST_SIDE = 65536
# what the page's choices show where nothing is chosen
SAME, NONE = "Use same checkpoint", "None"
SAME_SAMPLER = "Use same sampler"
DEFAULT_SAMPLER = "Default"


class HiresAsked(BaseModel):
    """Hires fix, as its controls show it."""

    enabled: bool = False
    scale: float = Field(1, ge=0, le=64)
    x: int = Field(0, ge=0, le=LONGEST_SIDE)
    y: int = Field(0, ge=0, le=LONGEST_SIDE)
    checkpoint: str = ""
    sampler: str = ""
    steps: int = Field(0, ge=0)


class RefinerAsked(BaseModel):
    """The refiner, as its controls show it."""

    enabled: bool = False
    switch_at: float = Field(1, ge=0, le=1)
    checkpoint: str = ""


class HintAsked(BaseModel):
    """The state of a tab: sizes in pixels, and the values of ToDo's controls."""

    width: int = Field(ge=1, le=LONGEST_SIDE)
    height: int = Field(ge=1, le=LONGEST_SIDE)
    hires: HiresAsked = Field(default_factory=HiresAsked)
    refiner: RefinerAsked = Field(default_factory=RefinerAsked)
    sampler: str = ""
    # those that will be run; 0 where the page does not tell
    steps: int = Field(0, ge=0)
    images: int = Field(1, ge=1, le=1024)
    # any values; the settings' own check says what is wrong with one
    values: dict[str, Any] = Field(default_factory=dict)


class Hint(BaseModel):
    """A line for each part of the generation."""

    lines: list[str]


def add(app: FastAPI) -> None:
    """Add the route (when the app has started)."""
    app.add_api_route(HINT, answer_hint, methods=["POST"], response_model=Hint)


async def answer_hint(asked: HintAsked) -> dict[str, Any]:
    """The hint for this state. It takes a few milliseconds and does not wait for a generation."""
    hires = parts.Hires(asked.hires.enabled, asked.hires.scale, asked.hires.x, asked.hires.y)
    refines = asked.refiner.enabled and asked.refiner.checkpoint not in ("", NONE)
    refiner = parts.Refiner(refines, asked.refiner.switch_at, _refined_passes())
    hires_checkpoint = asked.hires.checkpoint.replace(SAME, "")
    named = {"first": "", "hires": hires_checkpoint, "refiner": asked.refiner.checkpoint}
    shapes = _shapes(named)
    if "first" not in shapes and checkpoint.loaded() is None:
        return {"lines": []}
    hires_sampler = asked.hires.sampler.replace(SAME_SAMPLER, "") or asked.sampler
    samplers = {"first": _sampler(asked.sampler), "hires": _sampler(hires_sampler)}
    steps = {"first": asked.steps, "hires": asked.hires.steps}
    found = parts.of(shapes, asked.width, asked.height, hires, refiner, samplers, steps)

    def seen(part: parts.Part, settings: Settings) -> Seen | None:
        path, latent = checkpoint.path_named(named[part.pass_name]), latent_grid(*part.size)
        known = step_times.known_before(path, latent, asked.images, part.sampler)
        return step_times.times.seen(known, settings) if (part.begin, part.end) == (0, 1) else None

    candidates = machine.here().candidates()
    return {"lines": text.lines(found, asked.values, candidates, asked.images, seen)}


def _shapes(names: dict[str, str]) -> dict[str, UNetShape | None]:
    """The shapes of those checkpoints that are known."""
    shapes = {}
    for use, name in names.items():
        with contextlib.suppress(LookupError):
            shapes[use] = checkpoint.shape_named(name)
    return shapes


def _sampler(name: str) -> str:
    """The sampler that a control names; SD.Next's default is the checkpoint's own scheduler."""
    own = getattr(checkpoint.loaded(), "default_scheduler", None)
    return type(own).__name__ if name == DEFAULT_SAMPLER and own is not None else name


def _refined_passes() -> str:
    shared = sys.modules.get("modules.shared")
    options = getattr(getattr(shared, "opts", None), "data", {})
    return str(options.get("hires_fix_refiner_pass", parts.Refiner.passes))
