"""The shapes of the U-Nets: channels, levels and transformer blocks, as published."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Level:
    """Self-attention layers of one U-Net level: 1/`downscale` of the latent, `channels` wide."""

    downscale: int
    channels: int
    layers: int


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

    def head_width(self, channels: int) -> int:
        """Channels per head in attention layers of that width: 8 heads in SD 1.x, else 64 channels.

        Weights do not show the number of heads; SD 1.x is recognised by the prompt's width.
        """
        return channels // 8 if self.context_width == 768 else 64

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels with self-attention, the largest grid first."""
        layers = [5 * depth for depth in self.depths]
        layers[-1] += self.middle_depth
        return tuple(
            Level(2**index, width, count)
            for index, (width, count) in enumerate(zip(self.channels, layers))
            if count
        )


SHAPES: dict[str, UNetShape] = {
    "SD 1.x": UNetShape((320, 640, 1280, 1280), (1, 1, 1, 0), 1, context_width=768),
    "SD 2.x": UNetShape((320, 640, 1280, 1280), (1, 1, 1, 0), 1, context_width=1024),
    "SDXL": UNetShape((320, 640, 1280), (0, 2, 10), 10, context_width=2048, vector_width=2816),
}
