"""A whole sampling pass with a U-Net of real shape: every step, the lead-in and the phases too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.models import unets
from benchmarks.parts.calls import Wanted, case_of, holding
from benchmarks.peers.methods import available
from benchmarks.peers.names import DENSE, DIFFUSERS, PRESETS, TODO, TOMES
from benchmarks.peers.todo import preset
from benchmarks.running.bench import Bench

# those whose calls differ from step to step, and what to hold them against
COMPARED = (DENSE, TODO, *PRESETS, *TOMES)


def measure(bench: Bench, wanted: Wanted, steps: int) -> None:
    """Time passes of `steps` steps of Euler through diffusers' U-Nets, at each size."""
    conditions = {"batch": wanted.batch, "threshold": wanted.settings.threshold}
    bench.store.set_conditions("pass", **conditions, steps=steps, sampler="Euler")
    names = [name for name in COMPARED if name in (wanted.methods or COMPARED)]
    for architecture in wanted.architectures:
        model = unets.build_diffusers(architecture, bench.device, bench.dtype)
        found = available(DIFFUSERS, architecture, wanted.folders)[0]
        found |= {name: preset(its_own, whole_pass=True) for name, its_own in PRESETS.items()}
        methods = {name: found[name] for name in names if name in found}
        for size in wanted.sizes:
            case = case_of(model, DIFFUSERS, architecture, size, wanted)
            draw = _sampling(bench, model, architecture, size, wanted.batch, steps)
            key, calls = ("pass", architecture, str(size)), holding(case, draw, methods)
            bench.warm_up(key, calls)
            bench.interleave(key, calls)
        del model


def _sampling(
    bench: Bench, model: Any, architecture: str, size: int, batch: int, steps: int
) -> Callable[[], torch.Tensor]:
    """One pass; the schedule is set in it, as a pipeline does, so that ToDo hears of it."""
    from diffusers import EulerDiscreteScheduler

    inputs = unets.inputs_for(architecture, size, size, batch, bench.device, bench.dtype)

    def draw() -> torch.Tensor:
        scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear")
        scheduler.set_timesteps(steps, device=bench.device)
        latent = inputs["sample"] * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latent, timestep)
            now = {**inputs, "sample": scaled, "timestep": timestep}
            noise = unets.call_diffusers(model, now)()
            latent = scheduler.step(noise, timestep, latent, return_dict=False)[0]
        return latent

    return draw
