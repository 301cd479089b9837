"""How many times as fast a step and a pass become, by counted operations and a machine's rates."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..plan import LEAD_IN, Grid, settings_for_sampler, with_papers_factors
from ..settings import Settings
from .architectures import UNetShape
from .rates import Rates
from .unet import ATTENTION, pooled_levels, unet_operations

# the least and the greatest to expect; the same number on a machine that was measured
Range = tuple[float, float]
ONE: Range = (1.0, 1.0)


class Stage(NamedTuple):
    """Steps of a pass that pool the same: their settings, and their share of the pass."""

    settings: Settings
    share: float


class _Work(NamedTuple):
    products: int
    attention: Mapping[int, int]
    bytes: int
    operations: int


@functools.lru_cache(maxsize=256)
def _work(
    shape: UNetShape, latent: Grid, settings: Settings | None, batch: int, itemsize: int
) -> _Work:
    attention: Counter[int] = Counter()
    products = moved = 0
    operations = unet_operations(shape, latent, settings, batch, itemsize)
    for operation in operations:
        if operation.kind == ATTENTION:
            attention[shape.head_width(operation.channels)] += operation.flops
        elif operation.flops:
            products += operation.flops
        else:
            moved += operation.bytes
    return _Work(products, attention, moved, len(operations))


def seconds(
    shape: UNetShape, latent: Grid, settings: Settings | None, rates: Rates, images: int = 1
) -> tuple[float, float]:
    """Seconds of one evaluation: of its work, and of Python that launches it. The longer counts.

    Args:
        shape: the U-Net's.
        latent: (height, width); an eighth of the image's pixels.
        settings: what is pooled; None for nothing.
        rates: the machine's.
        images: the batch; each with and without the prompt.
    """
    work = _work(shape, latent, settings, 2 * images, rates.itemsize)
    in_attention = sum(flops / rates.attention_of(w) for w, flops in work.attention.items())
    return (
        work.products / rates.products + in_attention + work.bytes / rates.bytes,
        work.operations * rates.launch,
    )


def stages(
    shape: UNetShape,
    latent: Grid,
    settings: Settings,
    sampler: str | None = None,
    window: Range = (0.0, 1.0),
) -> list[Stage]:
    """The stages of a pass that pool anything: the lead-in, and the steps after it.

    One stage where both pool the same; none where nothing is pooled.

    Args:
        shape, latent: as for `seconds`.
        settings: what was asked for.
        sampler: its name, where it is known; some take the paper's factors.
        window: which steps of the pass this U-Net samples; a refiner takes over some.
    """
    settings = settings_for_sampler(settings, sampler)
    found: dict[tuple[float, ...], Stage] = {}
    for stage, low, high in (
        (with_papers_factors(settings), 0.0, LEAD_IN),
        (settings, LEAD_IN, 1.0),
    ):
        begin = max(low, settings.start, window[0])
        steps = max(0.0, min(high, settings.end, window[1]) - begin)
        factors = pooled_levels(shape, latent, stage)
        if steps > 0 and max(factors) > 1:
            so_far = found[factors].share if factors in found else 0.0
            found[factors] = Stage(stage, so_far + steps / (window[1] - window[0]))
    return list(found.values())


def of_step(
    shape: UNetShape, latent: Grid, settings: Settings, machines: Sequence[Rates], images: int = 1
) -> Range:
    """How many times as fast an evaluation with these settings is, on these machines."""
    return of_pass(shape, latent, [Stage(settings, 1.0)], machines, images)


def of_pass(
    shape: UNetShape,
    latent: Grid,
    pooled: Sequence[Stage],
    machines: Sequence[Rates],
    images: int = 1,
) -> Range:
    """How many times as fast a pass with these stages is, on these machines."""
    found = []
    for rates in machines:
        dense = max(seconds(shape, latent, None, rates, images))
        saved = [
            share * (1 - max(seconds(shape, latent, settings, rates, images)) / dense)
            for settings, share in pooled
        ]
        found.append(1 / (1 - math.fsum(saved)))
    return min(found), max(found)


def waits_for_python(
    shape: UNetShape, latent: Grid, settings: Settings, rates: Rates, images: int = 1
) -> bool:
    """Whether the work of an evaluation is done before Python has launched it."""
    work, launching = seconds(shape, latent, settings, rates, images)
    return launching > work


def in_words(found: Range) -> str:
    """`1.32 to 1.61`, or `1.32` where both are the same to two digits."""
    low, high = (f"{number:.2f}" for number in found)
    return low if low == high else f"{low} to {high}"
