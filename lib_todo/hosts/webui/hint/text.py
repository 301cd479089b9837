"""The hint in the accordion: how much faster the picture will be made, and by which preset."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ....cost import speedup
from ....cost.architectures import UNetShape
from ....cost.rates import Rates
from ....cost.unet import pooled_levels
from ....plan import (
    PIXELS_PER_LATENT,
    Grid,
    latent_grid,
    level_grid,
    pass_wanted,
    pooled_grid,
    settings_for_sampler,
)
from ....samplers import rule_for
from ....settings import NATIVE_GRID, Settings, SettingsError
from .. import request
from ..host import Size
from ..result import NO_LAYERS
from .step_times import Seen

NAMES = {"first": "First pass", "hires": "Hires pass"}
NOT_KNOWN = "not known before the checkpoint is loaded"
WAITS = (
    "Python launches the work more slowly than this GPU does it; a larger picture, a batch or "
    "torch.compile gains more"
)
# how much each preset changes the picture, beside the paper's; by how many times the trained side
# the picture is (docs/measurements)
CHANGES = {
    2: {"close": 0.05, "balanced": 0.50, "fast": 0.82, "paper": 1},
    3: {"close": 0.10, "balanced": 0.42, "fast": 0.49, "paper": 1},
    4: {"close": 0.20, "balanced": 0.41, "fast": 0.56, "paper": 1},
}
# pixels between the sizes that are named
STEP = 64


class Part(NamedTuple):
    """A pass, as far as the page tells.

    `shape` is its U-Net's, None where there is nothing to pool; it means nothing unless it is
    `known`. `sampler` is empty and `steps` is 0 where that is not known.
    """

    pass_name: str
    size: Size
    shape: UNetShape | None
    known: bool
    sampler: str
    steps: int

    @property
    def latent(self) -> Grid:
        return latent_grid(*self.size)


def lines(
    parts: list[Part],
    values: Mapping[str, Any],
    machines: Sequence[Rates],
    images: int = 1,
    seen: Callable[[Part, Settings], Seen | None] = lambda part, settings: None,
) -> list[str]:
    """The hint: a line for each part, and one that compares the presets.

    Args:
        parts: the passes of the generation.
        values: what the controls show, by the names of the settings.
        machines: the machine's rates, or two between which they lie.
        images: the batch.
        seen: what was measured on pictures like these, which goes before what is computed.
    """
    try:
        settings = Settings.from_mapping(request.from_page(values))
    except SettingsError as error:
        return [f"This will be refused. {request.in_words(error)}"]
    if all(part.known and part.shape is None for part in parts):
        return [f"Nothing to gain: {NO_LAYERS}"]
    if settings.start == settings.end:
        return ["Nothing to gain: Start and End are the same, so no step is pooled"]
    pooled = {part: _stages(part, settings) for part in parts}
    if not any(pooled.values()) and all(part.known for part in parts):
        return [_why_nothing(parts, settings)]
    found = []
    for part in parts:
        told = _gain(part, pooled[part], settings, machines, images, seen(part, settings))
        head = f"{NAMES[part.pass_name]}, " if len(parts) > 1 else ""
        found.append(f"{head}{part.size[0]}×{part.size[1]}: {told}")
    last = [part for part in parts if pooled[part]][-1:]
    return found + [_presets(part, machines, images) for part in last]


def _stages(part: Part, settings: Settings) -> list[speedup.Stage]:
    if part.shape is None or not pass_wanted(part.pass_name, settings.passes):
        return []
    return speedup.stages(part.shape, part.latent, settings, part.sampler, part.steps)


def _gain(
    part: Part,
    pooled: list[speedup.Stage],
    settings: Settings,
    machines: Sequence[Rates],
    images: int,
    seen: Seen | None,
) -> str:
    """What is pooled in the part, and how much faster it gets."""
    shape, latent = part.shape, part.latent
    if not part.known:
        return NOT_KNOWN
    if not shape:
        return f"nothing changes, {NO_LAYERS}"
    if not pooled:
        return "nothing changes, and nothing is lost"
    grids = []
    for index, factor in enumerate(pooled_levels(shape, latent, pooled[-1].settings)):
        if factor > 1:
            height, width = level_grid(latent, 2**index)
            left = pooled_grid((height, width), factor)
            grids.append(f"{width}×{height} → {left[1]}×{left[0]} tokens (by {factor:g})")
    told = f"{', '.join(grids)}. "
    if seen:
        return f"{told}{seen.times:.2f} times as fast here, from {seen.pictures} pictures"
    whole = speedup.in_words(speedup.of_pass(shape, latent, pooled, machines, images))
    told += f"{whole} times as fast"
    step = speedup.in_words(speedup.of_step(shape, latent, pooled[-1].settings, machines, images))
    if step != whole:
        is_whole = (settings.start, settings.end) == (0, 1)
        when = "after the first quarter" if is_whole else "from Start to End"
        told += f", a step {when} {step} times"
    if len(machines) == 1:
        working, launching = speedup.seconds(
            shape, latent, pooled[-1].settings, machines[0], images
        )
        if launching > working:
            told += f". {WAITS}"
    return told


def _presets(part: Part, machines: Sequence[Rates], images: int) -> str:
    """How fast each preset would make the part, and how much it would change the picture."""
    assert part.shape is not None
    names, gains = request.preset_names(), []
    for name in names:
        pooled = _stages(part, Settings.from_preset(name))
        gain = speedup.of_pass(part.shape, part.latent, pooled, machines, images)
        gains.append(f"{name} {speedup.in_words(gain)}")
    told = f"{' · '.join(gains)} times as fast"
    # where the phase rests, all of them change it as the paper does
    sigmas = speedup.mildest_schedule(part.sampler, part.steps)
    if rule_for(part.sampler, reported=True, sigmas=sigmas).is_careful():
        return told
    ratio = _ratio(part, NATIVE_GRID)
    change = CHANGES[min(CHANGES, key=lambda times: abs(times - ratio))]
    compared = " · ".join(f"{name} {change[name]:g}" for name in names)
    return f"{told}; change of the picture, where the paper's is 1: {compared}"


def _ratio(part: Part, threshold: float) -> float:
    """How many times the trained side the picture's is."""
    assert part.shape is not None
    trained = threshold * part.shape.levels[0].downscale * PIXELS_PER_LATENT
    return math.sqrt(math.prod(part.size)) / trained


def _why_nothing(parts: list[Part], settings: Settings) -> str:
    wanted = [part for part in parts if pass_wanted(part.pass_name, settings.passes)]
    if not wanted:
        only_hires = settings.passes == "hires"
        why = "Passes is hires, but hires fix is off" if only_hires else "set Passes to both"
        return f"Nothing to gain: {why}"
    part = [part for part in wanted if part.shape][-1]
    if not speedup.moments(settings, part.sampler, part.steps)[0]:
        return "Nothing to gain: no step lies between Start and End"
    told = f"{part.size[0]}×{part.size[1]}: nothing changes, and nothing is lost"
    sigmas = speedup.mildest_schedule(part.sampler, part.steps)
    size = _takes_effect_from(part, settings_for_sampler(settings, part.sampler, sigmas))
    if size is None:
        return f"{told}. Automatic factors, or larger ones, would pool"
    return f"{told}. These settings take effect from about {size[0]}×{size[1]} up"


def _takes_effect_from(part: Part, settings: Settings) -> Size | None:
    """The least size of the part's shape that these settings pool; None where factors are 1."""
    assert part.shape is not None
    # without a scale each level is compared with the threshold: the next one has half the side
    own_grid = 1 if settings.deep_scale else 2
    levels = [(settings.factor, settings.scale, 1)]
    if len(part.shape.levels) > 1:
        levels.append((settings.deep_factor, settings.deep_scale or 1, own_grid))
    # an automatic factor is 2 from 1.5 up, see plan.scaled_factor
    ratios = [
        own * (settings.above if factor else max(settings.above, 1.5 / scale))
        for factor, scale, own in levels
        if factor != 1
    ]
    if not ratios:
        return None
    times = min(ratios) / _ratio(part, settings.threshold)
    shorter = (math.floor(min(part.size) * times / STEP) + 1) * STEP
    width, height = (round(side * shorter / min(part.size) / 8) * 8 for side in part.size)
    return width, height
