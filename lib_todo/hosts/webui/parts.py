"""The parts of a generation that a hint speaks of: passes, and a refiner's share of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from ...cost.architectures import UNetShape
from .prediction import Size

NAMES = {"first": "First pass", "hires": "Hires pass"}
# by the host's own option, which passes a refiner belongs to where there are two
REFINED = {
    "first pass": ("first",),
    "second pass": ("hires",),
    "both passes": ("first", "hires"),
}


@dataclasses.dataclass(frozen=True)
class Hires:
    """Hires fix as the page shows it; `x` and `y` are 0 where they follow from the other."""

    enabled: bool = False
    scale: float = 1
    x: int = 0
    y: int = 0

    def size(self, width: int, height: int) -> Size | None:
        """The size of the hires pass, as the host works it out; None without hires fix."""
        if not self.enabled:
            return None
        if not self.x and not self.y:
            return int(width * self.scale), int(height * self.scale)
        if not self.y:
            return self.x, self.x * height // width
        if not self.x:
            return self.y * width // height, self.y
        return self.x, self.y


@dataclasses.dataclass(frozen=True)
class Refiner:
    """The refiner as the page shows it: from which part of a pass on, and in which of two."""

    enabled: bool = False
    switch_at: float = 1
    passes: str = "second pass"

    def takes_over(self, pass_name: str, hires: bool) -> bool:
        """Whether a part of that pass is the refiner's."""
        in_pass = not hires or pass_name in REFINED.get(self.passes, ())
        return self.enabled and self.switch_at < 1 and in_pass


@dataclasses.dataclass(frozen=True)
class Part:
    """What one checkpoint samples: the share of a pass from `begin` to `end`.

    `shape` is its U-Net's, None where there is nothing to pool, and without meaning where it is not
    `known`. `sampler` is its name, None where nobody told it.
    """

    pass_name: str
    size: Size
    shape: UNetShape | None
    known: bool = True
    begin: float = 0
    end: float = 1
    sampler: str | None = None

    def head(self, among_others: bool) -> str:
        """How the part is called: by its size alone where it is the only one."""
        size = f"{self.size[0]}×{self.size[1]}"
        if not among_others:
            return size
        refined = f", refiner from {self.begin:g} of its steps on" if self.begin else ""
        return f"{NAMES[self.pass_name]}, {size}{refined}"

    def window(self, start: float, end: float) -> float:
        """Which share of the part's steps lies in a pass's steps from `start` to `end`."""
        shared = max(0.0, min(end, self.end) - max(start, self.begin))
        return shared / (self.end - self.begin) if self.end > self.begin else 0.0


def of(
    shapes: Mapping[str, UNetShape | None],
    width: int,
    height: int,
    hires: Hires | None = None,
    refiner: Refiner | None = None,
    samplers: Mapping[str, str] = MappingProxyType({}),
) -> list[Part]:
    """The parts in their order.

    Args:
        shapes: of the checkpoints by their use: "first", "hires", "refiner"; one that is missing is
            not known.
        width, height: of the first pass in pixels.
        samplers: their names by pass.
    """
    hires, refiner = hires or Hires(), refiner or Refiner()
    hires_size = hires.size(width, height)
    sizes = {"first": (width, height), **({"hires": hires_size} if hires_size else {})}
    found = []
    for name, size in sizes.items():
        uses = [(name, 0.0, 1.0)]
        same = {name, "refiner"} <= shapes.keys() and shapes[name] == shapes["refiner"]
        if refiner.takes_over(name, len(sizes) > 1) and not same:
            uses = [(name, 0.0, refiner.switch_at), ("refiner", refiner.switch_at, 1.0)]
        found += [
            Part(name, size, shapes.get(use), use in shapes, begin, end, samplers.get(name))
            for use, begin, end in uses
        ]
    return found
