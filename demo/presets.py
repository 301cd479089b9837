"""Defaults for the embedded model and for others, and the authors' presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROMPT = "a mushroom in the night"

# the embedded model: four times the side that it was trained at, by way of that side
BUILT_IN: dict[str, Any] = {
    "width": 512,
    "height": 512,
    "hires_from": "128",
    "steps": 28,
    "guidance": 3.0,
    # at four times its size it keeps most subjects up to here
    "strength": 0.3,
    "repeats": 2,
}
# a stranger's checkpoint is taken for one of SD 1.x
OTHER: dict[str, Any] = {
    "width": 1024,
    "height": 1024,
    "hires_from": "512",
    "steps": 20,
    "guidance": 7.5,
    "strength": 0.6,
    "repeats": 1,
}
# the authors' demo: the factor, and the ratio that leaves as many keys (arXiv 2402.13573)
PRESETS: dict[int, dict[str, Any]] = {
    size: {
        "width": size,
        "height": size,
        "todo_threshold": 64,
        "todo_factor": factor,
        "todo_deep_factor": 1.0,
        "tome_ratio": ratio,
    }
    for size, factor, ratio in ((1024, 2.0, 0.75), (1536, 3.0, 0.89), (2048, 4.0, 0.9375))
}


def named(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values whose names start with `prefix`, without it: "todo_" or "tome_"."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }
