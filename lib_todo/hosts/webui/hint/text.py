"""The hint in the accordion: how much faster the picture will be made, and by which preset."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ....cost import speedup
from ....cost.architectures import UNetShape
from ....cost.rates import Rates
from ....cost.speedup import Stages
from ....cost.unet import pooled_levels
from ....plan import PIXELS_PER_LATENT, Grid, latent_grid, pass_wanted, pooled_grid
from ....reasons import Reason
from ....samplers import rule_for
from ....settings import Settings, SettingsError
from ....wording import REMEDIES
from .. import request
from ..host import Size
from ..result import NO_LAYERS, decided
from .step_times import Kind

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


class Part(NamedTuple):
    """A pass, as far as the page tells.

    `shape` is its U-Net's, None where it is not known. `sampler` and `sigmas`, the noise levels,
    are empty and `steps` is 0 where that is not known. `kind` is that of its step times, as far as
    it is known, and `images` the batch.
    """

    pass_name: str
    size: Size
    images: int
    shape: UNetShape | None
    sampler: str
    steps: int
    sigmas: tuple[float, ...]
    kind: Kind

    @property
    def latent(self) -> Grid:
        return latent_grid(*self.size)

    @property
    def is_careful(self) -> bool:
        """Whether the sampler takes the paper's factors in all steps."""
        sigmas = self.sigmas or speedup.mildest_schedule(self.sampler, self.steps)
        return rule_for(self.sampler, reported=True, sigmas=sigmas).is_careful()

    def stages(self, settings: Settings) -> Stages:
        """What is pooled in it; nothing where its layers are not known."""
        wanted = pass_wanted(self.pass_name, settings.passes)
        if self.shape is None or not self.shape.levels or not wanted:
            return {}
        asked = self.sampler, self.steps, self.sigmas
        return speedup.stages(self.shape, self.latent, settings, *asked)


# the machine's rates, or those of two machines between which it lies
Machines = Sequence[Rates]
# how many times as fast pictures of a kind were with these settings, and how many there were
Seen = Callable[[Kind, Settings], "tuple[float, int] | None"]


def lines(
    parts: list[Part],
    values: Mapping[str, Any],
    machines: Machines,
    seen: Seen = lambda kind, settings: None,
) -> list[str]:
    """The hint: a line for each part, and one that compares the presets.

    Args:
        parts: the passes of the generation.
        values: what the controls show, by the names of the settings.
        seen: what was measured on pictures like these, which goes before what is computed.
    """
    try:
        settings = Settings.from_mapping(request.from_page(values))
    except SettingsError as error:
        return [f"This will be refused. {request.in_words(error)}"]
    found, compared = [], ""
    for part in parts:
        stages = part.stages(settings)
        head = f"{NAMES[part.pass_name]}, " if len(parts) > 1 else ""
        told = _gain(part, stages, settings, machines, seen)
        found.append(f"{head}{part.size[0]}×{part.size[1]}: {told}")
        if stages:
            compared = _presets(part, settings.threshold, machines)
    if compared:
        found.append(compared)
    elif part.shape is not None and part.shape.levels:
        found[-1] += f". {_remedy(part, settings)}"
    return found


def _times(part: Part, stages: Stages, machines: Machines) -> str:
    assert part.shape is not None
    found = speedup.of_pass(part.shape, part.latent, stages, machines, part.images)
    return speedup.in_words(found)


def _gain(part: Part, stages: Stages, settings: Settings, machines: Machines, seen: Seen) -> str:
    """What is pooled in the part, and how much faster it gets."""
    if part.shape is None:
        return NOT_KNOWN
    if not part.shape.levels:
        return f"nothing changes, {NO_LAYERS}"
    if not stages:
        return NOTHING
    *_, own = stages
    grids = []
    for (height, width), factor in pooled_levels(part.shape, part.latent, own):
        if factor > 1:
            left = pooled_grid((height, width), factor)
            grids.append(f"{width}×{height} → {left[1]}×{left[0]} tokens (by {factor:g})")
    told = f"{', '.join(grids)}. "
    if before := seen(part.kind, settings):
        return f"{told}{before[0]:.2f} times as fast here, from {before[1]} pictures"
    whole, step = _times(part, stages, machines), _times(part, {own: 1.0}, machines)
    told += f"{whole} times as fast"
    if step != whole:
        is_whole = (settings.start, settings.end) == (0, 1)
        when = "after the first quarter" if is_whole else "from Start to End"
        told += f", a step {when} {step} times"
    if len(machines) == 1:
        costs = part.shape, part.latent, own, machines[0], part.images
        working, launching = speedup.seconds(*costs)
        if launching > working:
            told += f". {WAITS}"
    return told


def _presets(part: Part, threshold: int, machines: Machines) -> str:
    """How fast each preset would make the part, and how much it would change the picture.

    With the `threshold` that is set, which is the checkpoint's.
    """
    assert part.shape is not None
    names, gains = request.PRESET.choices, []
    for name in names:
        stages = part.stages(Settings.from_preset(name, threshold=threshold))
        gains.append(f"{name} {_times(part, stages, machines)}")
    told = f"{' · '.join(gains)} times as fast"
    # where the phase rests, all of them change it as the paper does
    if part.is_careful:
        return told
    trained = threshold * min(part.shape.levels) * PIXELS_PER_LATENT
    ratio = math.sqrt(math.prod(part.size)) / trained
    change = CHANGES[min(CHANGES, key=lambda times: abs(times - ratio))]
    compared = " · ".join(f"{name} {change[name]:g}" for name in names)
    return f"{told}; change of the picture, where the paper's is 1: {compared}"


def _remedy(part: Part, settings: Settings) -> str:
    """What to change so that something is pooled, in the words of the line."""
    if not pass_wanted(part.pass_name, settings.passes):
        return REMEDIES[Reason.OTHER_PASS]
    assert part.shape is not None
    careful = Reason.SAMPLER if part.is_careful else None
    rows = decided(part.shape, part.size, part.pass_name, settings, careful)
    # the rule pools it, but in none of the steps
    reasons = {reason or Reason.OUTSIDE_WINDOW for *_, reason in rows}
    return next(REMEDIES[reason] for reason in Reason if reason in reasons)
