"""The hint in the accordion: how much faster the picture will be made, and by which preset."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ....cost import speedup
from ....cost.architectures import UNetShape
from ....cost.rates import Rates
from ....cost.speedup import Stages
from ....cost.unet import pooled_levels
from ....plan import (
    PIXELS_PER_LATENT,
    Grid,
    in_window,
    latent_grid,
    level_grid,
    pass_wanted,
    pooled_grid,
    with_papers_factors,
)
from ....samplers import rule_for
from ....settings import Settings, SettingsError
from .. import request
from ..host import Size
from ..result import NO_LAYERS
from .step_times import Seen

NAMES = {"first": "First pass", "hires": "Hires pass"}
NOT_KNOWN = "not known before the checkpoint is loaded"
NOTHING = "nothing changes, and nothing is lost"
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
# the machine's rates, or two between which they lie, and the batch
Costs = tuple[Sequence[Rates], int]
# pixels between the sizes that are named, and the largest
STEP, LARGEST = 64, 65536


class Part(NamedTuple):
    """A pass, as far as the page tells.

    `shape` is its U-Net's, None where there is nothing to pool; it means nothing unless it is
    `known`. `sampler`, `scheduler` and `sigmas`, the noise levels, are empty and `steps` is 0 where
    that is not known.
    """

    pass_name: str
    size: Size
    shape: UNetShape | None
    known: bool
    sampler: str
    steps: int
    sigmas: tuple[float, ...] = ()
    scheduler: str = ""

    @property
    def latent(self) -> Grid:
        return latent_grid(*self.size)

    @property
    def is_careful(self) -> bool:
        """Whether the sampler takes the paper's factors in all steps."""
        sigmas = self.sigmas or speedup.mildest_schedule(self.sampler, self.steps)
        return rule_for(self.sampler, reported=True, sigmas=sigmas).is_careful()


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
    costs = machines, images
    pooled = {part: _stages(part, settings) for part in parts}
    if not any(pooled.values()) and all(part.known for part in parts):
        return [_why_nothing(parts, settings)]
    found = []
    for part in parts:
        told = _gain(part, pooled[part], settings, costs, seen(part, settings))
        head = f"{NAMES[part.pass_name]}, " if len(parts) > 1 else ""
        found.append(f"{head}{part.size[0]}×{part.size[1]}: {told}")
    last = [part for part in parts if pooled[part]][-1:]
    return found + [_presets(part, settings.threshold, costs) for part in last]


def _stages(part: Part, settings: Settings) -> Stages:
    if part.shape is None or not pass_wanted(part.pass_name, settings.passes):
        return {}
    asked = part.sampler, part.steps, part.sigmas
    return speedup.stages(part.shape, part.latent, settings, *asked)


def _times(part: Part, pooled: Stages, costs: Costs) -> str:
    assert part.shape is not None
    return speedup.in_words(speedup.of_pass(part.shape, part.latent, pooled, *costs))


def _gain(part: Part, pooled: Stages, settings: Settings, costs: Costs, seen: Seen | None) -> str:
    """What is pooled in the part, and how much faster it gets."""
    shape, latent = part.shape, part.latent
    if not part.known:
        return NOT_KNOWN
    if not shape:
        return f"nothing changes, {NO_LAYERS}"
    if not pooled:
        return NOTHING
    *_, own = pooled
    grids = []
    for index, factor in enumerate(pooled_levels(shape, latent, own)):
        if factor > 1:
            height, width = level_grid(latent, 2**index)
            left = pooled_grid((height, width), factor)
            grids.append(f"{width}×{height} → {left[1]}×{left[0]} tokens (by {factor:g})")
    told = f"{', '.join(grids)}. "
    if seen:
        return f"{told}{seen.times:.2f} times as fast here, from {seen.pictures} pictures"
    whole, step = _times(part, pooled, costs), _times(part, {own: 1.0}, costs)
    told += f"{whole} times as fast"
    if step != whole:
        is_whole = (settings.start, settings.end) == (0, 1)
        when = "after the first quarter" if is_whole else "from Start to End"
        told += f", a step {when} {step} times"
    machines, images = costs
    if len(machines) == 1:
        working, launching = speedup.seconds(shape, latent, own, machines[0], images)
        if launching > working:
            told += f". {WAITS}"
    return told


def _presets(part: Part, threshold: int, costs: Costs) -> str:
    """How fast each preset would make the part, and how much it would change the picture.

    With the `threshold` that is set, which is the checkpoint's.
    """
    assert part.shape is not None
    names, gains = request.preset_names(), []
    for name in names:
        pooled = _stages(part, Settings.from_preset(name, threshold=threshold))
        gains.append(f"{name} {_times(part, pooled, costs)}")
    told = f"{' · '.join(gains)} times as fast"
    # where the phase rests, all of them change it as the paper does
    if part.is_careful:
        return told
    trained = threshold * part.shape.levels[0].downscale * PIXELS_PER_LATENT
    ratio = math.sqrt(math.prod(part.size)) / trained
    change = CHANGES[min(CHANGES, key=lambda times: abs(times - ratio))]
    compared = " · ".join(f"{name} {change[name]:g}" for name in names)
    return f"{told}; change of the picture, where the paper's is 1: {compared}"


def _why_nothing(parts: list[Part], settings: Settings) -> str:
    wanted = [part for part in parts if pass_wanted(part.pass_name, settings.passes)]
    if not wanted:
        only_hires = settings.passes == "hires"
        why = "Passes is hires, but hires fix is off" if only_hires else "set Passes to both"
        return f"Nothing to gain: {why}"
    poolable = [part for part in wanted if part.shape]
    if not poolable:
        return f"Nothing to gain: {NO_LAYERS}"
    part = poolable[-1]
    steps = part.steps or speedup.MANY
    if not any(in_window(step / steps, settings.start, settings.end) for step in range(steps)):
        return "Nothing to gain: no step lies between Start and End"
    told = f"{part.size[0]}×{part.size[1]}: {NOTHING}"
    size = _takes_effect_from(part, with_papers_factors(settings) if part.is_careful else settings)
    if size is None:
        return f"{told}. Automatic factors, or larger ones, would pool"
    return f"{told}. These settings take effect from about {size[0]}×{size[1]} up"


def _takes_effect_from(part: Part, settings: Settings) -> Size | None:
    """The least size of the part's shape that these settings pool; None where there is none."""
    shorter = min(part.size)

    def size(side: int) -> Size:
        width, height = (round(length * side / shorter / 8) * 8 for length in part.size)
        return width, height

    def pools(side: int) -> bool:
        assert part.shape is not None
        return max(pooled_levels(part.shape, latent_grid(*size(side)), settings)) > 1

    sides = range(shorter // STEP * STEP + STEP, LARGEST, STEP)
    first = bisect.bisect_left(sides, True, key=pools)
    return size(sides[first]) if first < len(sides) else None
