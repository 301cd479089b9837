"""The shape of a U-Net: channels, levels and transformer blocks; published, loaded or in a file."""

from __future__ import annotations

import dataclasses
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn


@dataclasses.dataclass(frozen=True)
class UNetShape:
    """A U-Net with two residual blocks per level on the way down and three on the way up.

    Each level halves the grid of the one before it. `depths` are the transformer blocks behind
    every residual block of a level (0: no attention there), `middle_depth` those in the middle;
    `context_width` is the prompt's embedding width and `vector_width` that of the size and pooled
    prompt embedding that SDXL adds to the time (0: none). `layers` is the number of self-attention
    layers that were found; 0 where none was looked for.
    """

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    middle_depth: int
    context_width: int
    vector_width: int = 0
    layers: int = dataclasses.field(default=0, compare=False)

    @property
    def known_levels(self) -> dict[int, int]:
        """`levels`; empty where the U-Net has others, such as a distilled one or one for videos."""
        return self.levels if self.layers in (0, sum(self.levels.values())) else {}

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

# the shape of a model of another kind (SD3, Flux), or without spatial transformers
NOTHING_TO_POOL = UNetShape((), (0,), 0, context_width=0)
# how names of weights begin in a level and in the middle, and what follows: the last convolution of
# a first residual block, and the transformer behind it
LDM = "input_blocks.", "middle_block", ".0.out_layers.3.weight", ".1"
DIFFUSERS = "down_blocks.", "mid_block", ".resnets.0.conv2.weight", ".attentions.0"
# what halves the grid, and what takes in SDXL's vector
HALVING = ".0.op.weight", ".downsamplers.0.conv.weight"
VECTOR = "label_emb.0.0.weight", "add_embedding.linear_1.weight"

# by U-Net: to go through its modules takes milliseconds
_known: weakref.WeakKeyDictionary[nn.Module, UNetShape] = weakref.WeakKeyDictionary()


def shape_of_unet(unet: Any) -> UNetShape:
    """The shape of a U-Net built like ldm's, as in the WebUIs and ComfyUI, or of diffusers'."""
    # torch.compile wraps a whole model under other names
    unet = getattr(unet, "_orig_mod", unet)
    if not isinstance(unet, nn.Module):
        return NOTHING_TO_POOL
    if unet not in _known:
        # a quantized weight's own size would say something else
        sizes = {
            f"{name}.weight": (own[f"out_{kind}"], own[f"in_{kind}"])
            for name, layer in unet.named_modules()
            for kind in ("features", "channels")
            if {f"out_{kind}", f"in_{kind}"} <= (own := vars(layer)).keys()
        }
        _known[unet] = shape_of_weights(sizes)
    return _known[unet]


def shape_of_weights(sizes: Mapping[str, Sequence[int]]) -> UNetShape:
    """The same from the sizes of the U-Net's weights, by their names."""
    layers = (name for name in sizes if name.endswith(".attn1.to_k.weight"))
    depths = Counter(name.partition(".transformer_blocks.")[0] for name in layers)
    contexts = [size[1] for name, size in sizes.items() if name.endswith("attn2.to_k.weight")]
    vectors = [sizes[name][1] for name in VECTOR if name in sizes]
    halving = sorted(int(name.split(".")[1]) for name in sizes if name.endswith(HALVING))
    is_ldm = any(name.startswith(LDM[0]) for name in sizes)
    level, middle, convolution, transformer = LDM if is_ldm else DIFFUSERS
    # a level begins behind what halved the grid, and ldm's first one behind a convolution
    firsts = [f"{level}{number + 1}" for number in (0 if is_ldm else -1, *halving)]
    channels = [sizes.get(first + convolution, (0,))[0] for first in firsts]
    if not contexts or not all(channels):
        return NOTHING_TO_POOL
    return UNetShape(
        channels=tuple(channels),
        depths=tuple(depths[first + transformer] for first in firsts),
        middle_depth=depths[middle + transformer],
        context_width=contexts[0],
        vector_width=max(vectors, default=0),
        layers=sum(depths.values()),
    )
