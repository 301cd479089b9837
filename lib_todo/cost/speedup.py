"""How many times as fast a step and a pass become, by counted operations and a machine's rates."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..plan import Grid, latent_grid, with_papers_factors
from ..position import Moment
from ..rule import Rule
from ..settings import Settings
from .architectures import UNetShape, shape_of_unet
from .rates import Machine, Rates
from .unet import pooled_levels, work

# the least and the greatest to expect; the same number on a machine that was measured
Range = tuple[float, float]
# the share of a pass, by the settings that hold in its steps
Stages = Mapping[Settings, float]
# steps that a pass is counted by where their number is not known: the shares are those of time
MANY = 100


@dataclasses.dataclass(frozen=True)
class Pass:
    """A pass, as far as it is known before it is run.

    Attributes:
        size: width and height in pixels.
        sampler: its name; some take the paper's factors, and so does one that is not known (None).
        sigmas: the noise levels of its steps; empty where they are not known.
        images: the batch; each with and without the prompt.
        name: "first" or "hires".
    """

    shape: UNetShape
    size: tuple[int, int]
    sampler: str | None = None
    sigmas: tuple[float, ...] = ()
    images: int = 1
    name: str = "first"

    @property
    def latent(self) -> Grid:
        return latent_grid(*self.size)

    def rules(self, settings: Settings) -> list[Rule]:
        """The rule of a generation in each step."""
        count = len(self.sigmas) - 1 if self.sigmas else MANY
        like = Moment(self.name, sampler=self.sampler, reported=True, sigmas=self.sigmas)
        moments = [like._replace(step=step, fraction=step / count) for step in range(count)]
        return [Rule(settings, moment) for moment in moments]

    def stages(self, settings: Settings) -> Stages:
        """The stages that pool anything: first the steps with the paper's factors."""
        rules, papers = self.rules(settings), with_papers_factors(settings)
        found = {papers: 0, settings: 0}
        for rule in rules:
            if rule.closed is None:
                found[papers if rule.careful else settings] += 1
        whole = self.shape, self.latent
        return {
            stage: number / len(rules)
            for stage, number in found.items()
            if number and any(factor > 1 for _, factor in pooled_levels(*whole, stage))
        }

    def seconds(self, settings: Settings | None, rates: Rates) -> tuple[float, float]:
        """Of one evaluation: of its work, and of Python that launches it. The longer counts."""
        of_one, batch = work(self.shape, self.latent, settings), 2 * self.images
        in_attention = sum(flops / rates.attention_of(w) for w, flops in of_one.attention.items())
        moving = rates.itemsize * of_one.moved / rates.bytes
        return (
            batch * (of_one.products / rates.products + in_attention + moving),
            of_one.operations * rates.launch,
        )

    def gain(self, stages: Stages, machines: Sequence[Rates]) -> Range:
        """How many times as fast it is with these stages, on these machines."""
        found = []
        for rates in machines:
            dense = max(self.seconds(None, rates))
            saved = [
                share * (1 - max(self.seconds(settings, rates)) / dense)
                for settings, share in stages.items()
            ]
            found.append(1 / (1 - math.fsum(saved)))
        return min(found), max(found)


def in_words(found: Range) -> str:
    """`1.32 to 1.61`, or `1.32` where both are the same to two digits."""
    low, high = (f"{number:.2f}" for number in found)
    return low if low == high else f"{low} to {high}"


def predict(
    model: Any,
    width: int,
    height: int,
    settings: Settings | None = None,
    *,
    images: int = 1,
    sampler: str | None = None,
) -> Range:
    """The least and the greatest speed-up to expect of a pass over pictures of this size.

    On a GPU the first call measures it, which takes about a second; then both are the same. Blocks
    are counted as those of SD 1.x, 2.x and SDXL; a distilled U-Net has fewer.

    Args:
        model: a pipeline of diffusers, or a U-Net of diffusers or ldm, on its device.
        width, height: in pixels.
        images: the batch; each with and without the prompt.
        sampler: its name or its scheduler's class's, some of which take the paper's factors; the
            pipeline's own without it. Where it is not known, they are the paper's.
    """
    unet = getattr(model, "unet", model)
    if sampler is None and hasattr(model, "scheduler"):
        sampler = type(model.scheduler).__name__
    whole = Pass(shape_of_unet(unet), (width, height), sampler, images=images)
    stages = whole.stages(settings or Settings())
    if not stages:
        return 1.0, 1.0
    weight = next(unet.parameters())
    machine = Machine(weight.device, weight.dtype)
    machine.measure_once()
    return whole.gain(stages, machine.candidates())
