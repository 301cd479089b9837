"""A small IP-Adapter with random weights, and an image's embedding, for the demo's model."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

EMBEDDING, CONTEXT, TOKENS = 32, 128, 4
# IP-Adapter numbers SD 1.x's sixteen layers by odd numbers; these are the places that the demo's
# U-Net has too, with their width
WIDTHS = {1: 64, 7: 128, 13: 128, 15: 64, 17: 64, 31: 128}


class TinyIPAdapter(io.ComfyNode):
    """What the extension's own nodes load from files."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TinyIPAdapter",
            category="tests",
            inputs=[],
            outputs=[
                io.Custom("IPADAPTER").Output(),
                io.Custom("EMBEDS").Output("positive"),
                io.Custom("EMBEDS").Output("negative"),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        torch.manual_seed(0)
        layers = {
            f"{number}.{role}_ip.weight": _random(WIDTHS.get(number, 64), CONTEXT)
            for number in range(1, 32, 2)
            for role in ("to_k", "to_v")
        }
        projection = {
            "proj.weight": _random(TOKENS * CONTEXT, EMBEDDING),
            "proj.bias": torch.zeros(TOKENS * CONTEXT),
            "norm.weight": torch.ones(CONTEXT),
            "norm.bias": torch.zeros(CONTEXT),
        }
        adapter: dict[str, Any] = {"image_proj": projection, "ip_adapter": layers}
        return io.NodeOutput(adapter, torch.randn(1, EMBEDDING), torch.zeros(1, EMBEDDING))


def _random(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns) * columns**-0.5


NODES = [TinyIPAdapter]
