"""How the host's own scripts, and Ultimate SD Upscale, are asked for on small images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import host_with_others
import pytest
from expect import picture
from host import Host

Size = tuple[int, int]
SQUARE = (128, 128)
BASE: dict[str, Any] = {"width": 128, "height": 128, "steps": 4}
IMG2IMG = BASE | {"denoising_strength": 0.8}


@dataclass(frozen=True)
class ScriptCase:
    """A script with its arguments, and what it samples.

    `image` is the size of the picture that img2img starts from, None for txt2img. `sizes` are those
    sampled, in their order, `evaluations` all calls of the denoiser, `steps` those that belong to a
    step. `texts` says that each image has a text of its own that makes it again.
    """

    script: str
    args: list[Any]
    image: Size | None
    sizes: list[Size]
    evaluations: int
    steps: int
    body: Mapping[str, Any] = field(default_factory=dict)
    extension: str | None = None
    texts: bool = False

    def make(self, host: Host, **more: Any) -> dict[str, Any]:
        asked = {"script_name": self.script, "script_args": self.args, **self.body, **more}
        if self.image is None:
            return host.txt2img(**BASE | asked)
        return host.img2img(picture(*self.image), **IMG2IMG | asked)


def ultimate(seams: int, sizes: list[Size], steps: int, redraw: int = 0) -> ScriptCase:
    """128×128 to 256×256 in four tiles of 128 pixels, with 32 around them, then the seams."""
    tiles = [None, 128, 128, 8, 32, 32, 0.6, 16, 0, False, redraw, False, 4, seams, 2, 256, 256, 2]
    name = "Ultimate SD upscale"
    extension = host_with_others.ULTIMATE_UPSCALE
    return ScriptCase(name, tiles, SQUARE, sizes, steps, steps, extension=extension)


LINES = """a dog
--prompt "a cow" --width 192 --height 136
--prompt "a small one" --width 64 --height 64
--prompt "a cow again" --steps 2"""
INVERTED = [None, True, True, "a cat", "", True, 4, True, 1.0, 0.2]
TILE = (192, 192)

# in img2img 4 steps at 0.8 are 4, at 0.65 and 0.6 they are 3
CASES = {
    "SD upscale": ScriptCase("SD upscale", [None, 32, "None", 2.0], (256, 200), [SQUARE], 24, 24),
    "Ultimate SD Upscale": ultimate(0, [TILE], 16),
    "Ultimate SD Upscale, chess": ultimate(0, [TILE], 16, redraw=1),
    "Ultimate SD Upscale, band": ultimate(1, [TILE, (64, 256), (256, 64)], 22),
    "Ultimate SD Upscale, half tiles": ultimate(2, [TILE, SQUARE], 28),
    "Ultimate SD Upscale, intersections": ultimate(3, [TILE, SQUARE], 31),
    "Loopback": ScriptCase("Loopback", [3, 0.5, "Linear", "None"], SQUARE, [SQUARE], 10, 10),
    "Poor man's outpainting": ScriptCase(
        "Poor man's outpainting", [64, 4, 0, ["left", "up"]], SQUARE, [SQUARE], 12, 12
    ),
    "Outpainting mk2": ScriptCase(
        "Outpainting mk2",
        [None, 64, 8, ["left", "up"], 1.0, 0.05],
        SQUARE,
        [SQUARE, (192, 128)],
        8,
        8,
    ),
    "img2img alternative test": ScriptCase(
        "img2img alternative test", [*INVERTED, False], SQUARE, [SQUARE], 8, 4
    ),
    "img2img alternative test, sigma adjustment": ScriptCase(
        "img2img alternative test", [*INVERTED, True], SQUARE, [SQUARE], 8, 4
    ),
    "Prompts from file": ScriptCase(
        "Prompts from file or textbox",
        [False, False, "start", LINES],
        None,
        [SQUARE, (192, 136), (64, 64)],
        14,
        14,
        texts=True,
    ),
    "Prompt matrix": ScriptCase(
        "Prompt matrix",
        [False, False, "positive", "comma", 0],
        None,
        [SQUARE],
        16,
        16,
        {"prompt": "a cat|red|in fog"},
        texts=True,
    ),
}


def parameters(names: list[str]) -> list[Any]:
    """Names of cases to parametrize with; those without their extension are skipped."""
    extensions = {name: CASES[name].extension for name in names}
    return [
        pytest.param(name, marks=[host_with_others.needs(extension)] if extension else [])
        for name, extension in extensions.items()
    ]
