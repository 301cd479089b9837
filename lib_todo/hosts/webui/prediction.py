"""What is known before the model is called: passes, sizes, grids, and the factors to come."""

from __future__ import annotations

import sys
from typing import Any

from ...cost.architectures import shape_of_unet
from ...plan import (
    PIXELS_PER_LATENT,
    Grid,
    latent_grid,
    layer_factor,
    level_grid,
    pass_wanted,
    settings_for_sampler,
    with_papers_factors,
)
from ...report import Report
from ...settings import Settings
from ...wording import BYPASSED, COMPILED
from . import sdnext_passes

Size = tuple[int, int]
NO_LAYERS = "this model has no self-attention layers that ToDo can pool"


def sizes(p: Any) -> dict[str, Size]:
    """Width and height in pixels of each pass of `p`. The hires size is known after `p.init`."""
    if sdnext_passes.is_of_sdnext(p):
        return sdnext_passes.sizes(p)
    found: dict[str, Size] = {}
    if not getattr(p, "txt2img_upscale", False):
        found["first"] = (p.width, p.height)
    if getattr(p, "enable_hr", False):
        found["hires"] = (
            p.hr_upscale_to_x - p.truncate_x * PIXELS_PER_LATENT,
            p.hr_upscale_to_y - p.truncate_y * PIXELS_PER_LATENT,
        )
    return found


def sampler_of(p: Any, pass_name: str) -> str | None:
    """The name of the sampler of that pass."""
    hires = getattr(p, "hr_sampler_name", None) if pass_name == "hires" else None
    return hires or getattr(p, "sampler_name", None)


def unet_of(model: Any) -> Any:
    """The U-Net of the host's model, which every host keeps elsewhere; None if unknown."""
    if hasattr(model, "unet"):
        # SD.Next: a diffusers pipeline
        return model.unet
    patcher = getattr(getattr(model, "forge_objects", None), "unet", None)
    inner = getattr(patcher if patcher is not None else model, "model", None)
    return getattr(inner, "diffusion_model", None)


def attention_downscales(unet: Any) -> list[int]:
    """The downscales at which a U-Net has spatial transformers: [1, 2, 4, 8] for SD 1.x.

    Empty for a model of another shape (SD3, Flux).
    """
    shape = shape_of_unet(unet)
    return [level.downscale for level in shape.levels] if shape else []


def factors(downscales: list[int], size: Size, settings: Settings) -> dict[Grid, float]:
    """The factor of each level's grid, the largest first, in a pass over an image of `size`."""
    grids = [level_grid(latent_grid(*size), scale) for scale in downscales]
    return {grid: layer_factor(grid, grids[0], settings) for grid in grids}


def planned(p: Any, settings: Settings) -> dict[str, dict[Grid, list[float]]]:
    """The grids that will be pooled in each pass, with their factors in the order of the steps.

    Of two factors the first one applies in the lead-in, see plan.LEAD_IN.
    """
    downscales = attention_downscales(unet_of(p.sd_model))
    found: dict[str, dict[Grid, list[float]]] = {}
    for name, size in sizes(p).items():
        found[name] = {}
        allowed = settings_for_sampler(settings, sampler_of(p, name))
        for stage in (with_papers_factors(allowed), allowed):
            for grid, factor in factors(downscales, size, stage).items():
                known = found[name].setdefault(grid, [])
                if factor > 1 and factor not in known and pass_wanted(name, settings.passes):
                    known.append(factor)
        found[name] = {grid: known for grid, known in found[name].items() if known}
    return found


def why_no_layer(p: Any, done: Report) -> str:
    """Why no layer was called in a generation that `done` reports on."""
    if done.compiled:
        return COMPILED
    # not imported, since not every host has it
    sd_unet = sys.modules.get("modules.sd_unet")
    if getattr(sd_unet, "current_unet", None) is not None:
        return "an alternative U-Net (such as TensorRT) is in use, whose layers ToDo cannot reach"
    if getattr(p.sd_model, "is_sd3", False):
        return "SD3 has no layers that ToDo can pool"
    return BYPASSED if attention_downscales(unet_of(p.sd_model)) else NO_LAYERS
