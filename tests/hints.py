"""The hint for what a page may ask, by the rates of a CPU that was not measured."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lib_todo.cost.architectures import SHAPES, UNetShape
from lib_todo.cost.rates import typical

pytest.importorskip("fastapi")
from lib_todo.hosts.webui.hint import UNKNOWN, Asked, Hires, Part, lines

SD15, SDXL = SHAPES["SD 1.x"], SHAPES["SDXL"]
CPU = typical("cpu")


def parts(shapes: dict[str, UNetShape], width: int, height: int, **asked: Any) -> list[Part]:
    """The passes, with these shapes by pass; that of one without is not known."""
    found = Asked(width=width, height=height, **{"sampler": "Euler", **asked}).parts()
    return [
        dataclasses.replace(part, shape=shapes.get(part.name, UNKNOWN), kind="") for part in found
    ]


def hint(
    width: int,
    height: int,
    hires: Hires | None = None,
    shape: UNetShape = SD15,
    steps: int = 0,
    **values: Any,
) -> list[str]:
    shapes = {"first": shape, "hires": shape}
    found = parts(shapes, width, height, hires=hires or Hires(), steps=steps)
    return lines(found, values, CPU)
