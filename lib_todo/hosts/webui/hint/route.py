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
from .schedule import MOST_STEPS, schedule_of
from .step_times import Seen
from .text import Part

HINT = "/todo/hint"
LONGEST_SIDE = 65536
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


class Hires(Sampling):
    """Hires fix as its controls show it; an `x` or `y` of 0 follows from the other or the scale."""

    enabled: bool = False
    scale: float = Field(1, ge=0, le=64)
    x: int = Field(0, ge=0, le=LONGEST_SIDE)
    y: int = Field(0, ge=0, le=LONGEST_SIDE)
    checkpoint: str = ""

    def size(self, width: int, height: int) -> Size:
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

    def parts(self, shapes: Mapping[str, UNetShape | None]) -> list[Part]:
        """The passes; the `shapes` are those of their checkpoints, as far as they are known."""
        size = self.width, self.height
        passes: dict[str, tuple[Size, Sampling]] = {"first": (size, self)}
        if self.hires.enabled:
            passes["hires"] = self.hires.size(*size), self.hires
        found = []
        for name, (size, asked) in passes.items():
            sampler = _sampler(_chosen(asked.sampler) or self.sampler)
            scheduler = _chosen(asked.scheduler) or self.scheduler
            model, is_hires = checkpoint.loaded_as(self.checkpoint_of(name)), name == "hires"
            steps, sigmas = schedule_of(
                model, sampler, scheduler, asked.steps, asked.strength, is_hires
            )
            sampling = sampler, steps, sigmas, scheduler
            found.append(Part(name, size, shapes.get(name), name in shapes, *sampling))
        return found

    def checkpoint_of(self, pass_name: str) -> str:
        """The checkpoint that is chosen for a pass; "" is the one for all generations."""
        return _chosen(self.hires.checkpoint) if pass_name == "hires" else ""


def add(app: FastAPI) -> None:
    """Add the route (when the app has started)."""
    app.add_api_route(HINT, answer_hint, methods=["POST"])


def answer_hint(asked: Asked) -> dict[str, list[str]]:
    """A line for each pass of the generation.

    It takes some milliseconds and does not wait for a generation. It runs in a thread of its own,
    since the noise levels may be on a GPU that is at work.
    """
    shapes = {}
    for name in ("first", "hires"):
        with contextlib.suppress(LookupError):
            shapes[name] = checkpoint.shape_named(asked.checkpoint_of(name))
    if "first" not in shapes and checkpoint.loaded() is None:
        return {"lines": []}

    def seen(part: Part, settings: Settings) -> Seen | None:
        path = checkpoint.path_named(asked.checkpoint_of(part.pass_name))
        known = step_times.known_before(path, part.latent, asked.images, part.sampler)
        if part.scheduler:
            known = {**known, "scheduler": part.scheduler}
        return step_times.times.seen(known, settings)

    candidates = machine.here().candidates()
    return {"lines": text.lines(asked.parts(shapes), asked.values, candidates, asked.images, seen)}


def _chosen(name: str) -> str:
    return "" if name in SAME else name


def _sampler(name: str) -> str:
    """The sampler that a control names; SD.Next's default is the checkpoint's own scheduler."""
    own = getattr(checkpoint.loaded(), "default_scheduler", None)
    return type(own).__name__ if name == DEFAULT_SAMPLER and own is not None else name
