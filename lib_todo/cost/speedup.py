"""How many times as fast a step and a pass become, by counted operations and a machine's rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..plan import Grid, latent_grid, with_papers_factors
from ..position import Moment
from ..rule import Rule
from ..samplers import rule_for
from ..settings import Settings
from .architectures import UNetShape, shape_of_unet
from .machine import Machine
from .rates import Rates
from .unet import pooled_levels, work

# the least and the greatest to expect; the same number on a machine that was measured
Range = tuple[float, float]
# the share of a pass, by the settings that hold in its steps
Stages = Mapping[Settings, float]
# steps that a pass is counted by where their number is not known: the shares are those of time
MANY = 100


def seconds(
    shape: UNetShape, latent: Grid, settings: Settings | None, rates: Rates, images: int = 1
) -> tuple[float, float]:
    """Seconds of one evaluation: of its work, and of Python that launches it. The longer counts.

    Args:
        latent: (height, width); an eighth of the image's pixels.
        settings: what is pooled; None for nothing.
        images: the batch; each with and without the prompt.
    """
    of_one, batch = work(shape, latent, settings), 2 * images
    in_attention = sum(flops / rates.attention_of(w) for w, flops in of_one.attention.items())
    moving = rates.itemsize * of_one.moved / rates.bytes
    return (
        batch * (of_one.products / rates.products + in_attention + moving),
        of_one.operations * rates.launch,
    )


def mildest_schedule(sampler: str, steps: int, first: float = 1.0) -> tuple[float, ...]:
    """Noise levels of so many steps for which the rule has the least reason to be careful.

    They fall evenly from the first one and end at 0, so that no step leaps and only the last one
    closes; a real schedule may close one or two earlier. Empty where the number is not known (0),
    and where the sampler may take the paper's factors whatever its schedule is.
    """
    if not steps or rule_for(sampler, reported=True).careful_from == 0:
        return ()
    return (*(first / 2**step for step in range(steps)), 0.0)


def rules(
    settings: Settings, sampler: str | None, sigmas: tuple[float, ...], pass_name: str
) -> list[Rule]:
    """The rule of a generation in each step of a pass; of MANY steps where they are not known.

    Args:
        settings: what was asked for.
        sampler: its name, where it is known; some take the paper's factors.
        sigmas: the noise levels of the steps; empty where they are not known.
    """
    count = len(sigmas) - 1 if sigmas else MANY
    like = Moment(pass_name, sampler=sampler, reported=True, sigmas=sigmas)
    moments = [like._replace(step=step, fraction=step / count) for step in range(count)]
    return [Rule(settings, moment) for moment in moments]


def stages(
    shape: UNetShape,
    latent: Grid,
    settings: Settings,
    sampler: str | None = None,
    sigmas: tuple[float, ...] = (),
    pass_name: str = "first",
) -> Stages:
    """The stages of a pass that pool anything: first the steps with the paper's factors."""
    papers, steps = with_papers_factors(settings), rules(settings, sampler, sigmas, pass_name)
    found = {papers: 0, settings: 0}
    for rule in steps:
        if rule.closed is None:
            found[papers if rule.careful else settings] += 1
    return {
        stage: number / len(steps)
        for stage, number in found.items()
        if number and any(factor > 1 for _, factor in pooled_levels(shape, latent, stage))
    }


def of_pass(
    shape: UNetShape, latent: Grid, pooled: Stages, machines: Sequence[Rates], images: int = 1
) -> Range:
    """How many times as fast a pass with these stages is, on these machines."""
    found = []
    for rates in machines:
        dense = max(seconds(shape, latent, None, rates, images))
        saved = [
            share * (1 - max(seconds(shape, latent, settings, rates, images)) / dense)
            for settings, share in pooled.items()
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

    On a GPU the first call measures it, which takes about a second; then both are the same.

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
    shape, latent = shape_of_unet(unet), latent_grid(width, height)
    pooled = stages(shape, latent, settings or Settings(), sampler) if shape else {}
    if shape is None or not pooled:
        return 1.0, 1.0
    weight = next(unet.parameters())
    machine = Machine(weight.device, weight.dtype)
    machine.measure_once()
    return of_pass(shape, latent, pooled, machine.candidates(), images)
