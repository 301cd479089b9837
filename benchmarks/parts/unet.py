"""U-Nets of real shape, by size and method: times of a call and of a pass."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import torch

from benchmarks.models import unets
from benchmarks.peers.methods import (
    DENSE,
    MOVING_BY,
    NAMES,
    POOLED_BY,
    PRESETS,
    TOMES,
    Method,
    available,
)
from benchmarks.running.bench import Bench, Methods
from lib_todo.plan import latent_grid
from lib_todo.settings import NATIVE_GRID

# the only kind of U-Net; part of the points' names
KIND = "diffusers"
# the side of the largest grid at the trained size; the small one for checks pools at 256 pixels
TRAINED = {"narrow": 16}
# a moving phase and another method of pooling cost what the paper's do
IN_A_CALL = [name for name in NAMES if name not in (*MOVING_BY, *POOLED_BY)]
# those whose calls differ from step to step, and what to hold them against
IN_A_PASS = (DENSE, *PRESETS, *TOMES)


def measure(bench: Bench, args: argparse.Namespace) -> None:
    """Measure every architecture and size that the command line asks for."""
    bench.store.set_conditions("unet", batch=args.batch)
    bench.store.set_conditions("pass", batch=args.batch, steps=args.pass_steps, sampler="Euler")
    for architecture in args.architectures:
        module = unets.build_diffusers(architecture, bench.device, bench.dtype)
        for size in args.sizes:
            _measure_size(bench, args, architecture, module, size)
        del module


def _measure_size(
    bench: Bench, args: argparse.Namespace, architecture: str, module: Any, size: int
) -> None:
    inputs = unets.inputs_for(architecture, size, size, args.batch, bench.device, bench.dtype)
    trained = TRAINED.get(architecture, NATIVE_GRID)
    methods = available(module, latent_grid(size, size), trained)
    asked = [name for name in methods if name in (args.methods or methods)]

    def held(names: Collection[str], call: Callable[[], Any], in_a_pass: bool) -> Methods:
        return {
            name: partial(_hold, methods[name], call, in_a_pass) for name in asked if name in names
        }

    calls = held(IN_A_CALL, unets.call_of(module, inputs), False)
    key = ("unet", KIND, architecture, str(size))
    if "unet" in args.parts:
        bench.interleave(key, calls)
    if "passes" in args.parts:
        passes = held(IN_A_PASS, partial(_sample, module, inputs, args.pass_steps), True)
        bench.interleave(("pass", architecture, str(size)), passes)


@contextlib.contextmanager
def _hold(method: Method, call: Callable[[], Any], in_a_pass: bool) -> Iterator[Callable[[], Any]]:
    """Apply the method and yield the call; a call by itself is one behind the lead-in."""
    with method() as report:
        if report is not None and not in_a_pass:
            report.progress(1, 2)
        yield call


def _sample(module: Any, inputs: dict[str, Any], steps: int) -> torch.Tensor:
    """One pass; the schedule is set in it, as a pipeline does, so that ToDo hears of it."""
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear")
    scheduler.set_timesteps(steps, device=inputs["sample"].device)
    latent = inputs["sample"] * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latent, timestep)
        noise = unets.call_of(module, {**inputs, "sample": scaled, "timestep": timestep})()
        latent = scheduler.step(noise, timestep, latent, return_dict=False)[0]
    return latent
