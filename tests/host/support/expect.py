"""What a right generation looks like from outside: token counts by plain arithmetic, asking ToDo.

Nothing here calls lib_todo: the numbers are worked out anew, so that a mistake there shows.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from host import Host, images
from PIL import Image
from told import info

Grid = tuple[int, int]

# Self-attention layers of the tiny checkpoints at 1/1, 1/2, … of the latent.
LAYERS = {"tiny15": {1: 5, 2: 5, 4: 5, 8: 1}, "tinyxl": {2: 10, 4: 12}}
CLEAN: dict[str, list[str]] = {"classes": [], "instances": [], "hooks": []}
# what the text of an image has beside the values that differ from the preset `paper`
PAPER_TEXT = {"ToDo preset": "paper"}
METHODS = ("nearest", "nearest-exact", "average", "max", "bilinear")
# of the X/Y/Z plot
AXES = (
    *("preset", "enabled", "factor", "deep factor", "threshold", "scale", "deep scale"),
    *("method", "phase", "start", "end", "passes", "above"),
)

# Two passes of one step each, 128×128 and 256×256: grids of up to 16×16 and of up to 32×32.
HIRES: dict[str, Any] = {
    "width": 128,
    "height": 128,
    "steps": 1,
    "enable_hr": True,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "denoising_strength": 0.7,
}


def todo(*values: Any, **settings: Any) -> dict[str, Any]:
    """The part of a request that asks for ToDo, by position or by name."""
    args = list(values) if values else [{"enabled": True, **settings}]
    return {"alwayson_scripts": {"ToDo": {"args": args}}}


@dataclass(frozen=True)
class Pooling:
    """What was asked for, over the preset `paper`: factors (0: automatic), threshold, scales."""

    factor: float = 0
    deep_factor: float = 0
    threshold: int = 64
    scale: float = 1
    deep_scale: float = 0

    def asked(self, **more: Any) -> dict[str, Any]:
        """The part of a request that asks for this."""
        return todo(**{"preset": "paper", **vars(self), **more})

    def factor_of(self, grid: Grid, largest: Grid) -> float:
        """The factor of a layer of this grid where the largest layers have that one."""
        if math.prod(largest if self.deep_scale else grid) <= self.threshold**2:
            return 1
        if grid == largest:
            return self.factor or self._automatic(grid, self.scale)
        if self.deep_scale:
            return self.deep_factor or self._automatic(largest, self.deep_scale)
        return self.deep_factor or self._automatic(grid, 1)

    def _automatic(self, grid: Grid, scale: float) -> int:
        """The whole number nearest to the ratio of an equal square's side to the threshold."""
        ratio = math.sqrt(math.prod(grid)) / self.threshold
        return min(8, max(1, int(scale * ratio + 0.5)))

    def keys(self, grid: Grid, largest: Grid) -> int:
        """How many keys a layer of this grid has left."""
        height, width = grid
        factor = self.factor_of(grid, largest)
        if factor == int(factor):
            return len(range(0, height, int(factor))) * len(range(0, width, int(factor)))
        return max(1, int(height / factor + 0.5)) * max(1, int(width / factor + 0.5))


@dataclass(frozen=True)
class Pass:
    """One sampling: its size in pixels, its denoiser calls, and in which of them ToDo pools.

    `calls` is how often each layer is called for one denoiser call: with several batches, or with
    cond and uncond apart, more than once.
    """

    width: int
    height: int
    evaluations: int
    pooling: Pooling | None
    pooled_in: Collection[int] | None = None
    calls: int = 1

    def grids(self, family: str) -> dict[Grid, int]:
        """The token grids of the checkpoint's levels, with the number of layers of each."""
        rows, columns = self.height // 8, self.width // 8
        # by halves rounded up, which is the same as at once
        return {
            (-(-rows // scale), -(-columns // scale)): layers
            for scale, layers in LAYERS[family].items()
        }

    def rows(self, family: str) -> Counter[tuple[int, Grid, int, int]]:
        """How often (denoiser call, grid, queries, keys) is to be seen, over all layers."""
        grids = self.grids(family)
        largest = max(grids, key=math.prod)
        pooled_in = range(self.evaluations) if self.pooled_in is None else self.pooled_in
        expected: Counter[tuple[int, Grid, int, int]] = Counter()
        for step in range(self.evaluations):
            for grid, layers in grids.items():
                queries = keys = math.prod(grid)
                if self.pooling and step in pooled_in:
                    keys = self.pooling.keys(grid, largest)
                expected[step, grid, queries, keys] = layers * self.calls
        return expected


def check(host: Host, family: str, **passes: Pass) -> None:
    """Compare all that the probe saw since its reset with `first=` and `hires=`."""
    seen = host.probe_counts()["rows"]
    assert {row["in_pass"] for row in seen} == set(passes)
    for name, expected in passes.items():
        counted: Counter[tuple[int, Grid, int, int]] = Counter()
        layers: dict[Grid, set[str]] = {}
        for row in seen:
            if row["in_pass"] == name:
                grid = row["height"], row["width"]
                counted[row["step"], grid, row["queries"], row["keys"]] += row["calls"]
                layers.setdefault(grid, set()).add(row["layer"])
        rows = expected.rows(family)
        assert (counted - rows, rows - counted) == (Counter(), Counter()), "unexpected, missing"
        assert {grid: len(found) for grid, found in layers.items()} == expected.grids(family)
    assert host.probe_leftovers() == CLEAN


def keys_seen(host: Host, in_pass: str = "first") -> dict[int, set[tuple[int, int]]]:
    """The queries and keys that the grids of each height were seen with in a pass."""
    found: dict[int, set[tuple[int, int]]] = {}
    for row in host.probe_counts()["rows"]:
        if row["in_pass"] == in_pass:
            found.setdefault(row["height"], set()).add((row["queries"], row["keys"]))
    return found


def parameters(text: str) -> dict[str, str]:
    """The ToDo part of an infotext that can be read back; `ToDo used` is for the reader alone."""
    last = text.splitlines()[-1]
    pairs = (part.partition(": ") for part in last.split(", ") if part.startswith("ToDo"))
    return {key: value for key, _, value in pairs if key != "ToDo used"}


def infotext(answer: dict[str, Any]) -> str:
    """The generation parameters of the first image."""
    return str(info(answer)["infotexts"][0])


def pixels(image: bytes) -> bytes:
    """An image's pixels alone, without the infotext in its file."""
    return Image.open(io.BytesIO(image)).convert("RGB").tobytes()


def first_pixels(answer: dict[str, Any]) -> bytes:
    return pixels(images(answer)[0])


def all_pixels(answer: dict[str, Any]) -> list[bytes]:
    """Of every image; where ToDo is on the files differ by what their texts tell."""
    return [pixels(image) for image in images(answer)]


def picture(width: int, height: int) -> bytes:
    """A PNG file of plain gradients, to start img2img from."""
    ramp = Image.linear_gradient("L").resize((width, height))
    return _png(Image.merge("RGB", (ramp, ramp.rotate(90).resize(ramp.size), ramp)))


def lower_half(width: int, height: int) -> bytes:
    """A PNG file of a mask: the lower half is to be painted anew."""
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (0, height // 2, width, height))
    return _png(mask)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
