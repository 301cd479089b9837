"""The steps that a pass will run, and their noise levels, by the host's own code."""

from __future__ import annotations

import types
from typing import Any

# more would take too long to work out whenever a control is moved
MOST_STEPS = 1000


def schedule_of(
    model: Any,
    sampler: str,
    scheduler: str,
    steps: int,
    strength: float | None,
    is_hires: bool = False,
) -> tuple[int, tuple[float, ...]]:
    """How many steps will be run, and their noise levels; empty where they are not known.

    They are not before the checkpoint is loaded (`model` is None), where the page names no schedule
    (before 1.9, SD.Next), and with samplers that go by timesteps of their own.

    Args:
        steps: as the page shows them; 0 where it does not tell.
        strength: of denoising; None from noise.
    """
    # all that the host's methods read of a generation and write to it
    p = types.SimpleNamespace(
        steps=steps,
        denoising_strength=strength,
        scheduler=scheduler,
        is_hr_pass=False,
        sampler_noise_scheduler_override=None,
        extra_generation_params={},
        sd_model=model,
    )
    whole = steps
    if steps and strength is not None:
        from modules.sd_samplers_common import setup_img2img_steps

        # hires fix runs as many as were asked for, img2img only by an option
        whole, last = setup_img2img_steps(p, steps if is_hires else None)
        steps = last + 1
    if model is None or not scheduler or not 0 < steps <= whole <= MOST_STEPS:
        return steps, ()
    from modules import sd_samplers

    try:
        found = sd_samplers.create_sampler(sampler, model).get_sigmas(p, whole)
    except Exception:
        # a sampler or schedule of another extension may want a real generation
        return steps, ()
    return steps, tuple(found[-(steps + 1) :].tolist()) if len(found) > steps else ()
