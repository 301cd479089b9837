"""How many times as fast a pass will be, for a program that has loaded a model."""

from __future__ import annotations

from typing import Any

from ..plan import latent_grid
from ..settings import Settings
from .architectures import shape_of_unet
from .machine import Machine
from .speedup import ONE, Range, of_pass, stages


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
        settings: what is pooled; the defaults without it.
        images: the batch; each with and without the prompt.
        sampler: its name or its scheduler's class's, some of which take the paper's factors; the
            pipeline's own without it. Where it is not known, they are the paper's.
    """
    unet = getattr(model, "unet", model)
    if sampler is None and hasattr(model, "scheduler"):
        sampler = type(model.scheduler).__name__
    shape, latent = shape_of_unet(unet), latent_grid(width, height)
    pooled = stages(shape, latent, settings or Settings(), sampler) if shape else []
    if shape is None or not pooled:
        return ONE
    weight = next(unet.parameters())
    machine = Machine(weight.device, weight.dtype)
    machine.measure_once()
    return of_pass(shape, latent, pooled, machine.candidates(), images)
