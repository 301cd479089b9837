"""What the page asks the server while nothing is generated, or while something is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from . import checkpoint, hint, machine

HINT = "/todo/hint"
LONGEST_SIDE = 65536


class HiresAsked(BaseModel):
    """Hires fix as its controls show it."""

    enabled: bool = False
    scale: float = Field(1, ge=0, le=64)
    x: int = Field(0, ge=0, le=LONGEST_SIDE)
    y: int = Field(0, ge=0, le=LONGEST_SIDE)


class HintAsked(BaseModel):
    """A tab's state: sizes in pixels, and what ToDo's controls show."""

    width: int = Field(ge=1, le=LONGEST_SIDE)
    height: int = Field(ge=1, le=LONGEST_SIDE)
    hires: HiresAsked = Field(default_factory=HiresAsked)
    # whatever a control may show; the settings' own check says what is wrong with it
    values: dict[str, Any] = Field(default_factory=dict)


class Hint(BaseModel):
    """A line for each pass."""

    lines: list[str]


def add(app: FastAPI) -> None:
    """Add the route (when the app has started)."""
    app.add_api_route(HINT, answer_hint, methods=["POST"], response_model=Hint)


async def answer_hint(asked: HintAsked) -> dict[str, Any]:
    """Arithmetic alone, a few milliseconds: it waits for no generation and disturbs none."""
    model = checkpoint.loaded()
    if model is None:
        return {"lines": []}
    lines = hint.lines(
        checkpoint.shape_of(model),
        asked.width,
        asked.height,
        hint.Hires(**vars(asked.hires)),
        asked.values,
        machine.rates(),
    )
    return {"lines": lines}
