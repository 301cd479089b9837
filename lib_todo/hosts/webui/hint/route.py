"""The route from which the page gets the hint, also during a generation."""

from __future__ import annotations

import contextlib
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from ....settings import Settings
from .. import host
from . import checkpoint, machine, parts, step_times, text
from .parts import LONGEST_SIDE, Hires, Part, Refiner
from .step_times import Seen

HINT = "/todo/hint"
# what the page's choices show where nothing is chosen
SAME = ("Use same checkpoint", "Use same sampler")
DEFAULT_SAMPLER = "Default"


class Asked(BaseModel):
    """The state of a tab: sizes in pixels, and the values of ToDo's controls."""

    width: int = Field(ge=1, le=LONGEST_SIDE)
    height: int = Field(ge=1, le=LONGEST_SIDE)
    hires: Hires = Field(default_factory=Hires)
    refiner: Refiner = Field(default_factory=Refiner)
    sampler: str = ""
    # those that will be run; 0 where the page does not tell
    steps: int = Field(0, ge=0)
    images: int = Field(1, ge=1, le=1024)
    # any values; the settings' own check says what is wrong with one
    values: dict[str, Any] = Field(default_factory=dict)


def add(app: FastAPI) -> None:
    """Add the route (when the app has started)."""
    app.add_api_route(HINT, answer_hint, methods=["POST"])


async def answer_hint(asked: Asked) -> dict[str, list[str]]:
    """A line for each part of the generation.

    It takes a few milliseconds and does not wait for a generation.
    """
    hires, refiner = asked.hires, asked.refiner
    named = {"first": "", "hires": _chosen(hires.checkpoint), "refiner": refiner.checkpoint}
    shapes = {}
    for use, name in named.items():
        with contextlib.suppress(LookupError):
            shapes[use] = checkpoint.shape_named(name)
    if "first" not in shapes and checkpoint.loaded() is None:
        return {"lines": []}
    samplers = {"first": asked.sampler, "hires": _chosen(hires.sampler) or asked.sampler}
    found = parts.of(
        shapes,
        asked.width,
        asked.height,
        hires,
        refiner,
        {name: _sampler(sampler) for name, sampler in samplers.items()},
        {"first": asked.steps, "hires": hires.steps},
        str(host.options().get("hires_fix_refiner_pass", "second pass")),
    )

    def seen(part: Part, settings: Settings) -> Seen | None:
        if part.window != (0, 1):
            return None
        path = checkpoint.path_named(named[part.pass_name])
        known = step_times.known_before(path, part.latent, asked.images, part.sampler)
        return step_times.times.seen(known, settings)

    candidates = machine.here().candidates()
    return {"lines": text.lines(found, asked.values, candidates, asked.images, seen)}


def _chosen(name: str) -> str:
    return "" if name in SAME else name


def _sampler(name: str) -> str:
    """The sampler that a control names; SD.Next's default is the checkpoint's own scheduler."""
    own = getattr(checkpoint.loaded(), "default_scheduler", None)
    return type(own).__name__ if name == DEFAULT_SAMPLER and own is not None else name
