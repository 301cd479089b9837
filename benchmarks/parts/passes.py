"""A whole sampling pass with a U-Net of real shape: every step, the lead-in and the phases too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.models import unets
from benchmarks.parts.calls import Wanted, case_of
from benchmarks.peers.case import Method
from benchmarks.peers.methods import available
from benchmarks.peers.names import DENSE, DIFFUSERS, PRESETS, TODO, TOMES
from benchmarks.peers.todo import whole_pass
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
        found |= {name: whole_pass(preset) for name, preset in PRESETS.items()}
        methods = {name: found[name] for name in names if name in found}
        for size in wanted.sizes:
            case = case_of(model, DIFFUSERS, architecture, size, wanted)
            draw = _sampling(bench, model, architecture, size, wanted.batch, steps)

            @contextlib.contextmanager
            def held(method: Method, case: Any = case, draw: Any = draw) -> Iterator[Any]:
                with method(case):
                    yield draw

            calls = {
                name: lambda each=each, held=held: held(each) for name, each in methods.items()
            }
            key = ("pass", architecture, str(size))
            bench.warm_up(key, calls)
            bench.interleave(key, calls)
        del model


def _sampling(
    bench: Bench, model: Any, architecture: str, size: int, batch: int, steps: int
) -> Callable[[], torch.Tensor]:
    """One pass; the schedule is set in it, as a pipeline does, so that ToDo hears of it."""
    from diffusers import EulerDiscreteScheduler

    inputs = unets.inputs_for(architecture, size, size, batch, bench.device, bench.dtype)
    rest = {key: value for key, value in inputs.items() if key not in ("sample", "timestep")}

    def draw() -> torch.Tensor:
        scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear")
        scheduler.set_timesteps(steps, device=bench.device)
        latent = inputs["sample"] * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latent, timestep)
            noise = model(scaled, timestep, return_dict=False, **rest)[0]
            latent = scheduler.step(noise, timestep, latent, return_dict=False)[0]
        return latent

    return draw
