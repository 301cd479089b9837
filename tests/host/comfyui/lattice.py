"""What is read of a run's record, computed here without the library."""

from __future__ import annotations

from typing import Any

import phases_seen
import torch
from comfyui_host import ComfyHost, Graph
from phases_seen import Phase
from safetensors.torch import load


def counts(record: dict[str, Any]) -> set[tuple[int, int]]:
    """(queries, tokens) of all calls."""
    return {(call["queries"], call["tokens"]) for call in record["calls"]}


def phases(record: dict[str, Any], factor: int = 2) -> list[Phase]:
    """The phase of each evaluation that pooled, which all its layers share."""
    calls = [call for call in record["calls"] if call["tokens"] < call["queries"]]
    return [phase for _, phase in phases_seen.phases(calls, factor)]


def latent(host: ComfyHost, graph: Graph, node: str = "latent") -> torch.Tensor:
    """The latent that a run of the graph saves."""
    return load(host.file(host.run(graph), node, "latents"))["latent_tensor"]
