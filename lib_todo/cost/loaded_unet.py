"""The shape of a loaded U-Net, for the cost model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .architectures import UNetShape


def shape_of_unet(unet: Any) -> UNetShape | None:
    """The shape of a U-Net built like ldm's, as in the WebUIs and ComfyUI.

    None where it is of another kind (SD3, Flux), or has no spatial transformers.
    """
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
        vector_width=_vector_width(unet),
    )


def _levels(unet: Any) -> Iterator[tuple[int, int]]:
    """Channels, and transformer blocks after each residual block, the largest grid first."""
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


def _vector_width(unet: Any) -> int:
    """The width of the vector that SDXL adds to the time embedding; 0 for other models."""
    embedding: Any = getattr(unet, "label_emb", None)
    layers = embedding.modules() if hasattr(embedding, "modules") else ()
    return next((part.in_features for part in layers if hasattr(part, "in_features")), 0)


def _is_transformer(part: Any) -> bool:
    return type(part).__name__.endswith("Transformer")
