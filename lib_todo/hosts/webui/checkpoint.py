"""The loaded checkpoint's U-Net: its levels and widths, as far as costs need them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from ...cost.architectures import UNetShape
from .prediction import unet_of


def loaded() -> Any:
    """The host's model, or None while there is none; asking never loads one."""
    sd_models = sys.modules.get("modules.sd_models")
    return getattr(getattr(sd_models, "model_data", None), "sd_model", None)


def shape_of(model: Any) -> UNetShape | None:
    """The shape of the model's U-Net; None where it is of another kind (SD3, Flux) or unknown."""
    unet = unet_of(model)
    levels = list(_levels(unet))
    if not any(depth for _, depth in levels):
        return None
    middle = [part for part in getattr(unet, "middle_block", ()) if _is_transformer(part)]
    some = next(part for block in unet.input_blocks for part in block if _is_transformer(part))
    return UNetShape(
        channels=tuple(channels for channels, _ in levels),
        depths=tuple(depth for _, depth in levels),
        middle_depth=sum(len(part.transformer_blocks) for part in middle),
        context_width=some.transformer_blocks[0].attn2.to_k.in_features,
        vector_width=int(getattr(unet, "adm_in_channels", None) or 0),
    )


def _levels(unet: Any) -> Iterator[tuple[int, int]]:
    """Channels, and transformer blocks behind each residual block, from the largest grid down."""
    channels = depth = 0
    for block in getattr(unet, "input_blocks", ()):
        parts = list(block)
        if any(type(part).__name__ == "Downsample" for part in parts):
            yield channels, depth
            depth = 0
        for part in parts:
            channels = int(getattr(part, "out_channels", channels) or channels)
            if _is_transformer(part):
                depth = len(part.transformer_blocks)
    if channels:
        yield channels, depth


def _is_transformer(part: Any) -> bool:
    return type(part).__name__.endswith("Transformer")
