"""The shape of a loaded U-Net, for the cost model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .architectures import UNetShape


def shape_of_unet(unet: Any) -> UNetShape | None:
    """The shape of a U-Net built like ldm's, as in the WebUIs and ComfyUI, or of diffusers'.

    None where it is of another kind (SD3, Flux), or has no spatial transformers.
    """
    if is_of_diffusers(unet):
        return _shape_of_config(unet.config)
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


def is_of_diffusers(unet: Any) -> bool:
    """Whether it is diffusers' U-Net, which has its shape in its `config`."""
    return hasattr(getattr(unet, "config", None), "down_block_types")


def _shape_of_config(config: Any) -> UNetShape | None:
    channels = tuple(config.block_out_channels)
    depths = config.transformer_layers_per_block
    depths = [depths] * len(channels) if isinstance(depths, int) else list(depths)
    crossed = ["CrossAttn" in block for block in config.down_block_types]
    in_middle = "CrossAttn" in (config.mid_block_type or "")
    if not any(crossed) or not all(isinstance(depth, int) for depth in depths):
        return None
    return UNetShape(
        channels=channels,
        depths=tuple(depth if has else 0 for depth, has in zip(depths, crossed)),
        middle_depth=depths[-1] if in_middle else 0,
        context_width=config.cross_attention_dim,
        vector_width=config.projection_class_embeddings_input_dim or 0,
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
