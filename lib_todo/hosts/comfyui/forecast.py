"""How much faster a call of the U-Net is to be, by the cost model."""

from __future__ import annotations

from typing import Any

from ...cost.architectures import SHAPES, UNetShape
from ...cost.unet import unet_operations
from ...plan import Grid
from ...settings import Settings


def shape_of(config: dict[str, Any]) -> UNetShape | None:
    """The published architecture that a ComfyUI `unet_config` describes; None if it is another."""
    channels = tuple(config["model_channels"] * width for width in config["channel_mult"])
    # one entry for each residual block on the way down, two a level
    depths = tuple(config.get("transformer_depth") or ())[::2]
    for shape in SHAPES.values():
        found = (shape.channels, shape.depths, shape.context_width)
        if found == (channels, depths, config.get("context_dim")):
            return shape
    return None


def speed_up(shape: UNetShape, latent: Grid, settings: Settings) -> float:
    """Dense operations by those that are left, of one call of the U-Net; 1 where none are saved.

    Memory traffic is left out: how far it hides behind the operations depends on the GPU.
    """
    dense = sum(op.flops for op in unet_operations(shape, latent))
    pooled = sum(op.flops for op in unet_operations(shape, latent, settings))
    return dense / pooled
