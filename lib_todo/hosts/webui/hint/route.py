"""The route from which the page gets the hint, also during a generation."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from ....cost.architectures import UNetShape
from ....settings import Settings
from ..host import Size
from . import checkpoint, machine, step_times, text
from .step_times import Seen
from .text import Part

HINT = "/todo/hint"
LONGEST_SIDE = 65536
# what the page's choices show where nothing is chosen
SAME = ("Use same checkpoint", "Use same sampler")
DEFAULT_SAMPLER = "Default"


class Hires(BaseModel):
    """Hires fix as its controls show it; an `x` or `y` of 0 follows from the other or the scale."""

    enabled: bool = False
    scale: float = Field(1, ge=0, le=64)
    x: int = Field(0, ge=0, le=LONGEST_SIDE)
    y: int = Field(0, ge=0, le=LONGEST_SIDE)
    checkpoint: str = ""
    sampler: str = ""
    steps: int = Field(0, ge=0)

    def size(self, width: int, height: int) -> Size:
        """The size of the hires pass, computed as the host does."""
        if not self.x and not self.y:
            return int(width * self.scale), int(height * self.scale)
        return self.x or self.y * width // height, self.y or self.x * height // width


class Asked(BaseModel):
    """The state of a tab: sizes in pixels, and the values of ToDo's controls."""

    width: int = Field(ge=1, le=LONGEST_SIDE)
    height: int = Field(ge=1, le=LONGEST_SIDE)
    hires: Hires = Field(default_factory=Hires)
    sampler: str = ""
    # those that will be run; 0 where the page does not tell
    steps: int = Field(0, ge=0)
    images: int = Field(1, ge=1, le=1024)
    # any values; the settings' own check says what is wrong with one
    values: dict[str, Any] = Field(default_factory=dict)

    def parts(self, shapes: Mapping[str, UNetShape | None]) -> list[Part]:
        """The passes; the `shapes` are those of their checkpoints, as far as they are known."""
        size, hires = (self.width, self.height), self.hires
        passes = {"first": (size, self.sampler, self.steps)}
        if hires.enabled:
            sampler = _chosen(hires.sampler) or self.sampler
            passes["hires"] = hires.size(*size), sampler, hires.steps
        return [
            Part(name, size, shapes.get(name), name in shapes, _sampler(sampler), steps)
            for name, (size, sampler, steps) in passes.items()
        ]


def add(app: FastAPI) -> None:
    """Add the route (when the app has started)."""
    app.add_api_route(HINT, answer_hint, methods=["POST"])


async def answer_hint(asked: Asked) -> dict[str, list[str]]:
    """A line for each pass of the generation.

    It takes a few milliseconds and does not wait for a generation.
    """
    named = {"first": "", "hires": _chosen(asked.hires.checkpoint)}
    shapes = {}
    for name, chosen in named.items():
        with contextlib.suppress(LookupError):
            shapes[name] = checkpoint.shape_named(chosen)
    if "first" not in shapes and checkpoint.loaded() is None:
        return {"lines": []}

    def seen(part: Part, settings: Settings) -> Seen | None:
        path = checkpoint.path_named(named[part.pass_name])
        known = step_times.known_before(path, part.latent, asked.images, part.sampler)
        return step_times.times.seen(known, settings)

    candidates = machine.here().candidates()
    return {"lines": text.lines(asked.parts(shapes), asked.values, candidates, asked.images, seen)}


def _chosen(name: str) -> str:
    return "" if name in SAME else name


def _sampler(name: str) -> str:
    """The sampler that a control names; SD.Next's default is the checkpoint's own scheduler."""
    own = getattr(checkpoint.loaded(), "default_scheduler", None)
    return type(own).__name__ if name == DEFAULT_SAMPLER and own is not None else name
