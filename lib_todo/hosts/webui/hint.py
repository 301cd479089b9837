"""The hint in the accordion: what will be pooled, and how much faster a step will be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...cost.architectures import UNetShape
from ...cost.rates import Rates
from ...cost.speedup import range_in_words, speedup, speedup_of_pass
from ...plan import (
    LEAD_IN,
    latent_grid,
    pass_wanted,
    pooled_grid,
    settings_for_sampler,
    with_papers_factors,
)
from ...settings import BY_NAME, FIELDS, Settings, SettingsError
from .arguments import from_page, in_words
from .parts import Part
from .prediction import NO_LAYERS, Size, factors

NOT_KNOWN = "not known before the checkpoint is loaded"
# image sides, in pixels, that are tried to find where pooling would start
SIDES = range(64, 4097, 64)
ROUNDING = 1e-6


def lines(parts: list[Part], values: Mapping[str, Any], rates: Rates | None = None) -> list[str]:
    """The hint, one line for each part; a line in front says where nothing will be gained.

    Args:
        parts: of the generation, see parts.of.
        values: what the controls show, by the names of the settings.
        rates: the machine's; None where it was not measured.
    """
    try:
        settings = _settings(values)
    except SettingsError as error:
        return [f"This will be refused. {in_words(error)}"]
    if all(part.known and part.shape is None for part in parts):
        return [f"Nothing to gain: {NO_LAYERS}"]
    if settings.start == settings.end:
        return ["Nothing to gain: Start and End are the same, so no step is pooled"]
    gains = {part: _gain(part, settings, rates) for part in parts}
    found = [f"{part.head(len(parts) > 1)}: {gain or _why(part)}" for part, gain in gains.items()]
    if not any(gains.values()) and all(part.known for part in parts):
        found.insert(0, f"Nothing to gain. {_what_would_help(parts, settings)}")
    return found


def _settings(values: Mapping[str, Any]) -> Settings:
    for name in values:
        if name not in BY_NAME:
            raise SettingsError("name of a setting", name, "one of " + ", ".join(BY_NAME))
    # the page sends every control, so a default there is not a choice of the user's
    shown = {field.name: field.default for field in FIELDS} | dict(values)
    return Settings.from_args([from_page(BY_NAME[name], shown[name]) for name in BY_NAME])


def _why(part: Part) -> str:
    if not part.known:
        return NOT_KNOWN
    return "nothing is pooled" if part.shape else f"nothing is pooled, {NO_LAYERS}"


def _gain(part: Part, settings: Settings, rates: Rates | None) -> str:
    """What is pooled in the part and how much faster it gets; empty where nothing is pooled."""
    if part.shape is None or not pass_wanted(part.pass_name, settings.passes):
        return ""
    stages = _stages(part, settings_for_sampler(settings, part.sampler))
    if not stages:
        return ""
    latent = latent_grid(*part.size)
    gains = [speedup(part.shape, latent, stage, rates) for stage, _ in stages]
    most_steps = _pooled(part.shape, part.size, stages[-1][0])
    grids = [
        "{1}×{0} → {3}×{2} tokens (by {4:g})".format(*grid, *pooled_grid(grid, factor), factor)
        for grid, factor in most_steps.items()
    ]
    text = f"{', '.join(grids)}. A step will be {range_in_words(*gains[-1])} times as fast"
    shares = [share for _, share in stages]
    windowed = sum(shares) < 1 - ROUNDING
    if windowed:
        text += " from Start to End"
    if len(stages) > 1:
        text += " after the first quarter"
    if windowed or len(stages) > 1:
        whole = [speedup_of_pass(zip(shares, bounds, strict=True)) for bounds in zip(*gains)]
        text += f", all steps together {range_in_words(*whole)} times"
    return text


def _stages(part: Part, settings: Settings) -> list[tuple[Settings, float]]:
    """The settings of the lead-in and of the steps after it, each with its share of the steps.

    A single stage where both pool the same; none where nothing is pooled.
    """
    found: list[tuple[Settings, float]] = []
    assert part.shape is not None
    for stage, start, end in (
        (with_papers_factors(settings), 0.0, LEAD_IN),
        (settings, LEAD_IN, 1.0),
    ):
        share = part.window(max(start, settings.start), min(end, settings.end))
        pooled = _pooled(part.shape, part.size, stage)
        if not share or not pooled:
            continue
        if found and _pooled(part.shape, part.size, found[0][0]) == pooled:
            share += found.pop()[1]
        found.append((stage, share))
    return found


def _pooled(shape: UNetShape, size: Size, settings: Settings) -> dict[tuple[int, int], float]:
    found = factors(_downscales(shape), size, settings)
    return {grid: factor for grid, factor in found.items() if factor > 1}


def _downscales(shape: UNetShape) -> list[int]:
    found = [2**index for index, depth in enumerate(shape.depths) if depth]
    deepest = 2 ** (len(shape.channels) - 1)
    return [*found, deepest] if shape.middle_depth and deepest not in found else found


def _what_would_help(parts: list[Part], settings: Settings) -> str:
    wanted = [part for part in parts if pass_wanted(part.pass_name, settings.passes)]
    if not wanted:
        if settings.passes == "hires":
            return "The setting Passes is hires, but hires fix is off"
        return "Set Passes to both"
    last = [part for part in wanted if part.shape][-1:]
    if last and not last[0].window(settings.start, settings.end):
        return "No step lies between Start and End"
    for part in last:
        for width, height in _larger(part.size):
            allowed = settings_for_sampler(settings, part.sampler)
            if part.shape and _pooled(part.shape, (width, height), allowed):
                return f"These settings take effect from about {width}×{height} up"
    return "Choose automatic factors, or a lower threshold"


def _larger(size: Size) -> list[Size]:
    """Sizes of the same shape, by the shorter side."""
    scales = [side / min(size) for side in SIDES]
    found = [(round(size[0] * scale / 8) * 8, round(size[1] * scale / 8) * 8) for scale in scales]
    return [(width, height) for width, height in found if width * height > size[0] * size[1]]
