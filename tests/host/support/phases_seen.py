"""The phase of the lattice in each step, from what was seen of the tokens that layers got."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

Phase = tuple[int, int]


def phase_on(places: list[int], grid: tuple[int, int], factor: int) -> Phase:
    """The phase whose lattice these places are: one token in each cell, the last ones moved in."""
    for phase in product(range(factor), repeat=2):
        rows, columns = (
            [min(cell * factor + shift, side - 1) for cell in range(math.ceil(side / factor))]
            for side, shift in zip(grid, phase)
        )
        if places == [row * grid[1] + column for row, column in product(rows, columns)]:
            return phase
    raise AssertionError(f"no lattice of {factor} on {grid}: {places[:12]}")


def phases(calls: list[dict[str, Any]], factor: int = 2) -> list[tuple[int, Phase]]:
    """The phase of each denoiser call, which all layers share, with its number in the pass."""
    found: dict[tuple[Any, ...], set[Phase]] = {}
    for call in calls:
        assert call["first"] == call["last"], "cond and uncond"
        key = call.get("generation"), call.get("in_pass"), call["step"]
        phase = phase_on(call["first"], (call["grid"][0], call["grid"][1]), factor)
        found.setdefault(key, set()).add(phase)
    assert {len(several) for several in found.values()} <= {1}
    return [(key[-1], several.pop()) for key, several in found.items()]
