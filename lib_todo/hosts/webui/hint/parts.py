"""The parts of a generation, one line of the hint each: passes, and the refiner's share of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, Field

from ....cost.architectures import UNetShape
from ....plan import Grid, latent_grid
from ..host import Size

LONGEST_SIDE = 65536
NAMES = {"first": "First pass", "hires": "Hires pass"}
# in which passes the refiner is used, by the host's option; without hires fix in the only one
REFINED = {"first pass": ("first",), "second pass": ("hires",), "both passes": ("first", "hires")}
# what the page's choice of a refiner shows where none is chosen
NONE = "None"


class Hires(BaseModel):
    """Hires fix as its controls show it; an `x` or `y` of 0 follows from the other or the scale."""

    enabled: bool = False
    scale: float = Field(1, ge=0, le=64)
    x: int = Field(0, ge=0, le=LONGEST_SIDE)
    y: int = Field(0, ge=0, le=LONGEST_SIDE)
    checkpoint: str = ""
    sampler: str = ""
    steps: int = Field(0, ge=0)

    def size(self, width: int, height: int) -> Size:
        """The size of the hires pass, computed as the host does."""
        if not self.x and not self.y:
            return int(width * self.scale), int(height * self.scale)
        return self.x or self.y * width // height, self.y or self.x * height // width


class Refiner(BaseModel):
    """The refiner as its controls show it; it takes over at that share of a pass."""

    enabled: bool = False
    switch_at: float = Field(1, ge=0, le=1)
    checkpoint: str = ""


@dataclasses.dataclass(frozen=True)
class Part:
    """What one checkpoint samples: the steps of a pass from one share to another.

    `shape` is that of its U-Net, None where there is nothing to pool; it means nothing unless it is
    `known`. `sampler` is None and `steps`, the pass's, is 0 where that is not known.
    """

    pass_name: str
    size: Size
    shape: UNetShape | None
    known: bool = True
    window: tuple[float, float] = (0.0, 1.0)
    sampler: str | None = None
    steps: int = 0

    @property
    def latent(self) -> Grid:
        return latent_grid(*self.size)

    def head(self, among_others: bool) -> str:
        """The part's name in the hint; only its size where it is the only part."""
        size = f"{self.size[0]}×{self.size[1]}"
        if not among_others:
            return size
        begin = self.window[0]
        refined = f", refiner from {begin:g} of its steps on" if begin else ""
        return f"{NAMES[self.pass_name]}, {size}{refined}"


def of(
    shapes: Mapping[str, UNetShape | None],
    width: int,
    height: int,
    hires: Hires | None = None,
    refiner: Refiner | None = None,
    samplers: Mapping[str, str] = MappingProxyType({}),
    steps: Mapping[str, int] = MappingProxyType({}),
    refined: str = "second pass",
) -> list[Part]:
    """The parts in their order.

    Args:
        shapes: the checkpoints' shapes by use, "first", "hires" and "refiner"; one that is missing
            is not known.
        width, height: of the first pass in pixels.
        hires, refiner: off without them.
        samplers, steps: the samplers' names and the numbers of steps by pass.
        refined: in which passes of hires fix the refiner is used, see REFINED.
    """
    hires, refiner = hires or Hires(), refiner or Refiner()
    sizes = {"first": (width, height)}
    passes: tuple[str, ...] = ("first",)
    if hires.enabled:
        sizes["hires"], passes = hires.size(width, height), REFINED.get(refined, ())
    switch_at = refiner.switch_at if refiner.enabled and refiner.checkpoint not in ("", NONE) else 1
    found = []
    for name, size in sizes.items():
        uses = {name: (0.0, 1.0)}
        same = {name, "refiner"} <= shapes.keys() and shapes[name] == shapes["refiner"]
        if name in passes and switch_at < 1 and not same:
            uses = {name: (0.0, switch_at), "refiner": (switch_at, 1.0)}
        found += [
            Part(
                name,
                size,
                shapes.get(use),
                use in shapes,
                window,
                samplers.get(name),
                steps.get(name, 0),
            )
            for use, window in uses.items()
        ]
    return found
