"""Defaults for the built-in model and for SD 1.x, and the paper's settings by size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROMPT = "a mushroom in the night"

# hires fix from the size that it was trained at to four times that side
BUILT_IN: dict[str, Any] = {
    "width": 512,
    "height": 512,
    "hires_from": "128",
    "steps": 28,
    "guidance": 3.0,
    # with more, most subjects dissolve at four times the trained side
    "strength": 0.3,
    "repeats": 2,
}
# for any other checkpoint, which is assumed to be SD 1.x
SD1: dict[str, Any] = {
    "width": 1024,
    "height": 1024,
    "hires_from": "512",
    "steps": 20,
    "guidance": 7.5,
    "strength": 0.6,
    "repeats": 1,
}
# by side in pixels: ToDo's factor, and the ToMe ratio with as many keys (arXiv 2402.13573)
PAPER_SIZES: dict[int, dict[str, Any]] = {
    size: {
        "width": size,
        "height": size,
        "todo_threshold": 64,
        "todo_factor": factor,
        "todo_deep_factor": 1.0,
        "todo_phase": "fixed",
        "tome_ratio": ratio,
    }
    for size, factor, ratio in ((1024, 2.0, 0.75), (1536, 3.0, 0.89), (2048, 4.0, 0.9375))
}


def with_prefix(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values whose names start with `prefix` ("todo_" or "tome_"), by the rest of the name."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }
