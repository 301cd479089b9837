"""What is read of a run's record, computed here without the library."""

from __future__ import annotations

import math
from typing import Any

import torch
from comfyui_host import ComfyHost, Graph
from phases_seen import Phase, phase_on
from safetensors.torch import load


def counts(record: dict[str, Any]) -> set[tuple[int, int]]:
    """(queries, tokens) of all calls."""
    return {(call["queries"], call["tokens"]) for call in record["calls"]}


def phases(record: dict[str, Any], width: int, height: int, factor: int = 2) -> list[Phase]:
    """The phase of each evaluation that pooled, which all its layers share."""
    found: dict[int, set[Phase]] = {}
    for call in record["calls"]:
        if call["tokens"] < call["queries"]:
            assert call["positions"] == call["last_positions"], "cond and uncond"
            grid = _grid_of(call["queries"], width, height)
            phase = phase_on(call["positions"], grid, factor)
            found.setdefault(call["evaluation"], set()).add(phase)
    assert {len(several) for several in found.values()} <= {1}, "phases mixed"
    return [several.pop() for several in found.values()]


def _grid_of(queries: int, width: int, height: int) -> tuple[int, int]:
    """The (height, width) in tokens of the level of an image that has so many."""
    rows, columns = height // 8, width // 8
    while rows * columns > queries:
        rows, columns = math.ceil(rows / 2), math.ceil(columns / 2)
    assert rows * columns == queries, f"no level of {width}×{height} has {queries} tokens"
    return rows, columns


def latent(host: ComfyHost, graph: Graph, node: str = "latent") -> torch.Tensor:
    """The latent that a run of the graph saves."""
    return load(host.file(host.run(graph), node, "latents"))["latent_tensor"]
