"""The expected record of a run, computed here without the library."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from comfyui_host import ComfyHost, Graph
from safetensors.torch import load

Phase = tuple[int, int]


def grid_of(queries: int, width: int, height: int) -> tuple[int, int]:
    """The (height, width) in tokens of the level of an image that has so many."""
    rows, columns = height // 8, width // 8
    while rows * columns > queries:
        rows, columns = math.ceil(rows / 2), math.ceil(columns / 2)
    assert rows * columns == queries, f"no level of {width}×{height} has {queries} tokens"
    return rows, columns


def lattice(grid: tuple[int, int], factor: int, phase: Phase) -> list[int]:
    """The places in the grid that a phase takes: one in each cell, the last cells cut off."""
    rows, columns = grid
    taken = [
        [min(cell * factor + offset, side - 1) for cell in range(math.ceil(side / factor))]
        for side, offset in zip((rows, columns), phase)
    ]
    return [row * columns + column for row, column in product(*taken)]


def phase_of(positions: list[int], grid: tuple[int, int], factor: int) -> Phase:
    """The phase whose lattice these places are; fails where they are none."""
    for phase in product(range(factor), repeat=2):
        if positions == lattice(grid, factor, phase):
            return phase
    raise AssertionError(f"no lattice of factor {factor} on {grid}: {positions[:12]}…")


def pooled_calls(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The calls of which keys or values had fewer tokens than there were queries."""
    return (call for call in record["calls"] if call["tokens"] < call["queries"])


def counts(record: dict[str, Any]) -> set[tuple[int, int]]:
    """(queries, tokens) of all calls."""
    return {(call["queries"], call["tokens"]) for call in record["calls"]}


def latent(host: ComfyHost, graph: Graph, node: str = "latent") -> torch.Tensor:
    """The latent that a run of the graph saves."""
    return load(host.file(host.run(graph), node, "latents"))["latent_tensor"]
