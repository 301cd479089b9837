"""The hint for what a page may ask, by the rates of a CPU that was not measured."""

from __future__ import annotations

from typing import Any

import pytest

from lib_todo.cost.architectures import SHAPES, UNetShape
from lib_todo.cost.rates import typical
from lib_todo.hosts.webui.hint.text import Part, lines

pytest.importorskip("fastapi")
from lib_todo.hosts.webui.hint.route import Asked, Hires

SD15, SDXL = SHAPES["SD 1.x"], SHAPES["SDXL"]
CPU = typical("cpu")


def parts(shapes: dict[str, UNetShape | None], width: int, height: int, **asked: Any) -> list[Part]:
    return Asked(width=width, height=height, **{"sampler": "Euler", **asked}).parts(shapes)


def hint(
    width: int,
    height: int,
    hires: Hires | None = None,
    shape: UNetShape | None = SD15,
    steps: int = 0,
    **values: Any,
) -> list[str]:
    shapes = {"first": shape, "hires": shape}
    found = parts(shapes, width, height, hires=hires or Hires(), steps=steps)
    return lines(found, values, CPU)
