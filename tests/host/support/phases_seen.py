"""The phase of the lattice that a layer was given in each step, from what the probe noted."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

Phase = tuple[int, int]


def lattice(grid: tuple[int, int], factor: int, phase: Phase) -> list[int]:
    """The places that a phase takes: one in each cell, those beyond the edge moved onto it."""
    rows, columns = (
        [min(cell * factor + shift, side - 1) for cell in range(math.ceil(side / factor))]
        for side, shift in zip(grid, phase)
    )
    return [row * grid[1] + column for row, column in product(rows, columns)]


def phase_of(call: dict[str, Any], factor: int = 2) -> Phase:
    """The phase whose lattice a call was given, for cond and uncond alike."""
    assert call["first"] == call["last"]
    grid = tuple(call["grid"])
    for phase in product(range(factor), repeat=2):
        if call["first"] == lattice(grid, factor, phase):
            return phase
    raise AssertionError(f"no lattice of {factor} on {grid}: {call['first'][:12]}")


def phases(calls: list[dict[str, Any]], factor: int = 2) -> list[tuple[int, Phase]]:
    """The phase of each denoiser call, which all layers share, with its number in the pass."""
    found: dict[tuple[Any, ...], set[Phase]] = {}
    for call in calls:
        key = call["generation"], call["in_pass"], call["step"]
        found.setdefault(key, set()).add(phase_of(call, factor))
    assert {len(several) for several in found.values()} == {1}
    return [(key[-1], several.pop()) for key, several in found.items()]
