"""The parts of a generation, one line of the hint each: passes, and the refiner's share of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from ....cost.architectures import UNetShape
from ..host import Size

NAMES = {"first": "First pass", "hires": "Hires pass"}
# in which passes the refiner is used, by the host's option
REFINED = {
    "first pass": ("first",),
    "second pass": ("hires",),
    "both passes": ("first", "hires"),
}


@dataclasses.dataclass(frozen=True)
class Hires:
    """Hires fix as set on the page; an `x` or `y` of 0 follows from the other one or the scale."""

    enabled: bool = False
    scale: float = 1
    x: int = 0
    y: int = 0

    def size(self, width: int, height: int) -> Size | None:
        """The size of the hires pass, computed as the host does; None without hires fix."""
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
    """The refiner as set on the page: from which share of a pass on, and in which passes."""

    enabled: bool = False
    switch_at: float = 1
    passes: str = "second pass"

    def takes_over(self, pass_name: str, hires: bool) -> bool:
        """Whether the refiner takes over during that pass."""
        in_pass = not hires or pass_name in REFINED.get(self.passes, ())
        return self.enabled and self.switch_at < 1 and in_pass


@dataclasses.dataclass(frozen=True)
class Part:
    """What one checkpoint samples: the steps of a pass from share `begin` to share `end`.

    `shape` is that of its U-Net, None where there is nothing to pool; it means nothing unless it is
    `known`. `sampler` is the sampler's name, None where it is not known; `count` the number of the
    pass's steps, 0 where it is not known.
    """

    pass_name: str
    size: Size
    shape: UNetShape | None
    known: bool = True
    begin: float = 0
    end: float = 1
    sampler: str | None = None
    count: int = 0

    def head(self, among_others: bool) -> str:
        """The part's name in the hint; only its size where it is the only part."""
        size = f"{self.size[0]}×{self.size[1]}"
        if not among_others:
            return size
        refined = f", refiner from {self.begin:g} of its steps on" if self.begin else ""
        return f"{NAMES[self.pass_name]}, {size}{refined}"

    @property
    def sampling(self) -> tuple[str | None, tuple[float, float], int]:
        """Its sampler, its share of the pass's steps, and their number: see speedup.stages."""
        return self.sampler, (self.begin, self.end), self.count


def of(
    shapes: Mapping[str, UNetShape | None],
    width: int,
    height: int,
    hires: Hires | None = None,
    refiner: Refiner | None = None,
    samplers: Mapping[str, str] = MappingProxyType({}),
    steps: Mapping[str, int] = MappingProxyType({}),
) -> list[Part]:
    """The parts in their order.

    Args:
        shapes: the checkpoints' shapes by use, "first", "hires" and "refiner"; one that is missing
            is not known.
        width, height: of the first pass in pixels.
        hires: hires fix; off without it.
        refiner: the refiner; off without it.
        samplers, steps: the samplers' names and the numbers of steps by pass.
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
            Part(
                name,
                size,
                shapes.get(use),
                use in shapes,
                begin,
                end,
                samplers.get(name),
                steps.get(name, 0),
            )
            for use, begin, end in uses
        ]
    return found
