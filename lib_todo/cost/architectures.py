"""The shape of a U-Net: channels, levels and transformer blocks; published, loaded or in a file."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class UNetShape:
    """A U-Net with two residual blocks per level on the way down and three on the way up.

    Each level halves the grid of the one before it. `depths` are the transformer blocks behind
    every residual block of a level (0: no attention there), `middle_depth` those in the middle;
    `context_width` is the prompt's embedding width and `vector_width` that of the size and pooled
    prompt embedding that SDXL adds to the time (0: none).
    """

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    middle_depth: int
    context_width: int
    vector_width: int = 0

    @property
    def levels(self) -> dict[int, int]:
        """How many self-attention layers there are at 1/2ⁿ of the latent, by 2ⁿ, from 1 on."""
        layers = [5 * depth for depth in self.depths]
        layers[-1] += self.middle_depth
        return {2**level: count for level, count in enumerate(layers) if count}


SHAPES: dict[str, UNetShape] = {
    "SD 1.x": UNetShape((320, 640, 1280, 1280), (1, 1, 1, 0), 1, context_width=768),
    "SD 2.x": UNetShape((320, 640, 1280, 1280), (1, 1, 1, 0), 1, context_width=1024),
    "SDXL": UNetShape((320, 640, 1280), (0, 2, 10), 10, context_width=2048, vector_width=2816),
}


def shape_of_unet(unet: Any) -> UNetShape | None:
    """The shape of a U-Net built like ldm's, as in the WebUIs and ComfyUI, or of diffusers'.

    None where it is of another kind (SD3, Flux), or has no spatial transformers.
    """
    # torch.compile wraps a whole model under other names
    unet = getattr(unet, "_orig_mod", unet)
    if hasattr(getattr(unet, "config", None), "down_block_types"):
        return _shape_of_config(unet.config)
    if not hasattr(unet, "input_blocks"):
        return None
    sizes = {}
    for name, layer in unet.named_modules():
        for kind in ("features", "channels"):
            if hasattr(layer, f"in_{kind}") and hasattr(layer, f"out_{kind}"):
                # a quantized weight's own size would say something else
                size = getattr(layer, f"out_{kind}"), getattr(layer, f"in_{kind}")
                sizes[f"{name}.weight"] = size
    return shape_of_weights(sizes)


def shape_of_weights(sizes: Mapping[str, Sequence[int]]) -> UNetShape | None:
    """The same from the sizes of the U-Net's weights, by their ldm names."""
    layers = (name for name in sizes if name.endswith(".attn1.to_k.weight"))
    depths = Counter(name.partition(".1.transformer_blocks.")[0] for name in layers)
    contexts = [size for name, size in sizes.items() if name.endswith("attn2.to_k.weight")]
    # a level begins behind the image's own convolution, or what halved the grid
    halving = sorted(int(name.split(".")[1]) for name in sizes if name.endswith(".0.op.weight"))
    firsts = [f"input_blocks.{number + 1}" for number in (0, *halving)]
    channels = [sizes.get(f"{name}.0.out_layers.3.weight", (0,))[0] for name in firsts]
    if not contexts or not all(channels):
        return None
    return UNetShape(
        channels=tuple(channels),
        depths=tuple(depths[name] for name in firsts),
        middle_depth=depths["middle_block"],
        context_width=contexts[0][1],
        vector_width=sizes.get("label_emb.0.0.weight", (0, 0))[1],
    )


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
