"""The hint in the accordion: how much faster the picture will be made, and by which preset."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ....cost.rates import Rates
from ....cost.speedup import Pass, Stages, in_words
from ....cost.unet import pooled_levels
from ....plan import PIXELS_PER_LATENT, pass_wanted, pooled_grid
from ....reasons import Reason
from ....samplers import rule_for
from ....settings import PRESET, Settings, SettingsError
from ....wording import REMEDIES
from .. import request
from ..host import NOTHING_TO_POOL
from ..result import NO_LAYERS

NAMES = {"first": "First pass", "hires": "Hires pass"}
NOT_KNOWN = "not known before the checkpoint is loaded"
# the shape of a checkpoint that neither is loaded nor has a file that tells
UNKNOWN = copy.copy(NOTHING_TO_POOL)
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


@dataclasses.dataclass(frozen=True)
class Part(Pass):
    """A pass as the page tells of it, and what was seen of pictures like it.

    `seen` gives how many times as fast they were with some settings, and how many there were; None
    where there were none.
    """

    seen: Callable[[Settings], tuple[float, int] | None] = lambda settings: None


def lines(parts: list[Part], values: Mapping[str, Any], machines: Sequence[Rates]) -> list[str]:
    """The hint: a line for each part, and one that compares the presets.

    Args:
        parts: the passes of the generation.
        values: what the controls show, by the names of the settings.
        machines: the machine's rates, or those of two machines between which it lies.
    """
    try:
        settings = Settings.from_mapping(request.from_page(values))
    except SettingsError as error:
        return [f"This will be refused. {request.in_words(error)}"]
    found, compared = [], ""
    for part in parts:
        if stages := part.stages(settings):
            told = _gain(part, stages, settings, machines)
            compared = _presets(part, settings.threshold, machines)
        elif part.shape.levels:
            told = NOTHING
        else:
            told = NOT_KNOWN if part.shape is UNKNOWN else f"nothing changes, {NO_LAYERS}"
        head = f"{NAMES[part.name]}, " if len(parts) > 1 else ""
        found.append(f"{head}{part.size[0]}×{part.size[1]}: {told}")
    if compared:
        found.append(compared)
    elif part.shape.levels:
        found[-1] += f". {_remedy(part, settings)}"
    return found


def _gain(part: Part, stages: Stages, settings: Settings, machines: Sequence[Rates]) -> str:
    """What is pooled in the part, and how much faster it gets."""
    *_, own = stages
    grids = []
    for (height, width), factor in pooled_levels(part.shape, part.latent, own):
        if factor > 1:
            left = pooled_grid((height, width), factor)
            grids.append(f"{width}×{height} → {left[1]}×{left[0]} tokens (by {factor:g})")
    told = f"{', '.join(grids)}. "
    # what was seen goes before what is computed
    if before := part.seen(settings):
        return f"{told}{before[0]:.2f} times as fast here, from {before[1]} pictures"
    whole, step = (in_words(part.gain(held, machines)) for held in (stages, {own: 1.0}))
    told += f"{whole} times as fast"
    if step != whole:
        is_whole = (settings.start, settings.end) == (0, 1)
        when = "after the first quarter" if is_whole else "from Start to End"
        told += f", a step {when} {step} times"
    if len(machines) == 1:
        working, launching = part.seconds(own, machines[0])
        if launching > working:
            told += f". {WAITS}"
    return told


def _presets(part: Part, threshold: int, machines: Sequence[Rates]) -> str:
    """How fast each preset would make the part, and how much it would change the picture.

    With the `threshold` that is set, which is the checkpoint's.
    """
    names, gains = PRESET.choices, []
    for name in names:
        stages = part.stages(Settings.from_preset(name, threshold=threshold))
        gains.append(f"{name} {in_words(part.gain(stages, machines))}")
    told = f"{' · '.join(gains)} times as fast"
    # where the phase rests, all of them change it as the paper does
    if rule_for(part.sampler, reported=True, sigmas=part.sigmas).careful_from == 0:
        return told
    trained = threshold * min(part.shape.levels) * PIXELS_PER_LATENT
    ratio = math.sqrt(math.prod(part.size)) / trained
    change = CHANGES[min(CHANGES, key=lambda times: abs(times - ratio))]
    compared = " · ".join(f"{name} {change[name]:g}" for name in names)
    return f"{told}; change of the picture, where the paper's is 1: {compared}"


def _remedy(part: Part, settings: Settings) -> str:
    """What to change so that something is pooled, in the words of the line."""
    if not pass_wanted(part.name, settings.passes):
        return REMEDIES[Reason.OTHER_PASS]
    grids = [pooled_grid(part.latent, downscale) for downscale in part.shape.levels]
    reasons = {rule.decide(grid, grids[0])[1] for rule in part.rules(settings) for grid in grids}
    return next(REMEDIES[reason] for reason in Reason if reason in reasons)
