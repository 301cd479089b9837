"""What the page says before generating: what will be pooled, and how much faster a step will be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...cost.architectures import UNetShape
from ...cost.rates import Rates
from ...cost.speedup import over_window, range_in_words, speedup
from ...plan import latent_grid, pass_wanted, pooled_grid
from ...settings import BY_NAME, FIELDS, Settings, SettingsError
from .arguments import from_page, in_words
from .prediction import Size, factors

NAMES = {"first": "First pass", "hires": "Hires pass"}
# the sides that are tried for "from about … up"
SIDES = range(64, 4097, 64)


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


def lines(
    shape: UNetShape | None,
    width: int,
    height: int,
    hires: Hires,
    values: Mapping[str, Any],
    rates: Rates | None = None,
) -> list[str]:
    """The hint, a line for each pass; the first says so where nothing will be gained.

    Args:
        shape: the loaded checkpoint's; None where its layers cannot be pooled.
        values: what the controls show, by the names of the settings.
        rates: the machine's; None where it was not measured.
    """
    try:
        for name in values:
            if name not in BY_NAME:
                raise SettingsError("name of a setting", name, "one of " + ", ".join(BY_NAME))
        # as a tab sends them: a default that stands there was not asked for
        shown = {field.name: field.default for field in FIELDS} | dict(values)
        settings = Settings.from_args([from_page(BY_NAME[name], shown[name]) for name in BY_NAME])
    except SettingsError as error:
        return [f"This will be refused. {in_words(error)}"]
    if shape is None:
        return ["Nothing to gain: this model has no self-attention layers that can be pooled"]
    if settings.start == settings.end:
        return ["Nothing to gain: Start and End are the same, so no step is pooled"]
    sizes = {"first": (width, height), "hires": hires.size(width, height)}
    known = {name: size for name, size in sizes.items() if size}
    told = {name: _told(shape, name, size, settings, rates) for name, size in known.items()}
    heads = {
        name: f"{NAMES[name]}, {size[0]}×{size[1]}" if len(known) > 1 else f"{size[0]}×{size[1]}"
        for name, size in known.items()
    }
    found = [f"{heads[name]}: {text or 'nothing is pooled'}" for name, text in told.items()]
    if not any(told.values()):
        found.insert(0, f"Nothing to gain. {_what_would_help(shape, known, settings)}")
    return found


def _told(shape: UNetShape, name: str, size: Size, settings: Settings, rates: Rates | None) -> str:
    """What is pooled in the pass, and what it brings; empty where nothing is."""
    if not pass_wanted(name, settings.passes):
        return ""
    pooled = {
        grid: factor
        for grid, factor in factors(_downscales(shape), size, settings).items()
        if factor > 1
    }
    if not pooled:
        return ""
    grids = [
        "{1}×{0} → {3}×{2} tokens (by {4:g})".format(*grid, *pooled_grid(grid, factor), factor)
        for grid, factor in pooled.items()
    ]
    least, most = speedup(shape, latent_grid(*size), settings, rates)
    text = f"{', '.join(grids)}. A step will be {range_in_words(least, most)} times as fast"
    if (settings.start, settings.end) != (0, 1):
        whole = (over_window(step, settings.start, settings.end) for step in (least, most))
        text += f" from Start to End, the whole pass {range_in_words(*whole)} times"
    return text


def _downscales(shape: UNetShape) -> list[int]:
    found = [2**index for index, depth in enumerate(shape.depths) if depth]
    deepest = 2 ** (len(shape.channels) - 1)
    return [*found, deepest] if shape.middle_depth and deepest not in found else found


def _what_would_help(shape: UNetShape, known: Mapping[str, Size], settings: Settings) -> str:
    wanted = [name for name in known if pass_wanted(name, settings.passes)]
    if not wanted:
        if settings.passes == "hires":
            return "Passes is hires, and hires fix is off"
        return "Set Passes to both"
    width, height = known[wanted[-1]]
    for side in SIDES:
        scale = side / min(width, height)
        size = round(width * scale / 8) * 8, round(height * scale / 8) * 8
        if size[0] * size[1] <= width * height:
            continue
        if any(factor > 1 for factor in factors(_downscales(shape), size, settings).values()):
            return f"With these settings, from about {size[0]}×{size[1]} up there will be"
    return "Choose automatic factors, or a lower threshold"
