"""U-Nets of real shape, by size and method: times and peak memory of a call, times of a pass."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.models import attention_backends, unets
from benchmarks.peers.case import Case, Method
from benchmarks.peers.methods import Folders, available
from benchmarks.peers.names import DENSE, DIFFUSERS, LDM, PRESETS, TODO, TOMES
from benchmarks.peers.ours import preset
from benchmarks.running.bench import Bench, Methods
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.plan import latent_grid, level_grid

FIRST_CALL_PIXELS = 256
# in a pass: those whose calls differ from step to step, and what to hold them against
IN_A_PASS = (DENSE, TODO, *PRESETS, *TOMES)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to run. Sizes are the sides in pixels; None for methods or attentions is all."""

    kinds: list[str]
    architectures: list[str]
    sizes: list[int]
    methods: list[str] | None
    attentions: list[str] | None
    batch: int
    settings: Settings
    folders: Folders
    timed: bool
    memory: bool


@dataclasses.dataclass
class Model:
    """A U-Net, what it is, and the methods for it."""

    wanted: Wanted
    kind: str
    architecture: str
    module: Any
    methods: dict[str, Method]

    def case(self, size: int) -> Case:
        """It at that side in pixels, with the grids of its self-attention."""
        latent = latent_grid(size, size)
        # "narrow" is SD 1.x with fewer channels
        levels = SHAPES.get(self.architecture, SHAPES["SD 1.x"]).levels
        grids = [level_grid(latent, level.downscale) for level in levels]
        about = (self.kind, self.architecture, size, size, grids)
        return Case(self.module, *about, self.wanted.settings, self.wanted.batch)

    def held(self, case: Case, call: Callable[[], torch.Tensor]) -> Methods:
        """For each method what applies it to the case and yields the call to measure."""

        @contextlib.contextmanager
        def hold(method: Method) -> Iterator[Callable[[], torch.Tensor]]:
            with method(case):
                yield call

        return {name: lambda method=method: hold(method) for name, method in self.methods.items()}

    def calls(self, bench: Bench, size: int) -> Methods:
        """One call at that side in pixels, by each method."""
        inputs = unets.inputs_for(
            self.architecture, size, size, self.wanted.batch, bench.device, bench.dtype
        )
        make = unets.call_diffusers if self.kind == DIFFUSERS else unets.call_ldm
        return self.held(self.case(size), make(self.module, inputs))


def measure(bench: Bench, wanted: Wanted) -> None:
    """Measure calls of every U-Net and size; what cannot run is noted."""
    bench.store.set_conditions("unet", batch=wanted.batch, threshold=wanted.settings.threshold)
    for architecture in wanted.architectures:
        for kind in wanted.kinds:
            if kind == LDM and architecture == "SDXL":
                bench.store.note(f"{kind} | {architecture}", "this ldm has no SDXL")
                continue
            try:
                build = unets.build_diffusers if kind == DIFFUSERS else unets.build_ldm
                module = build(architecture, bench.device, bench.dtype)
            except ImportError as error:
                bench.store.note(f"{kind} | {architecture}", str(error))
                continue
            methods, left_out = available(kind, architecture, wanted.folders)
            for name, why in left_out.items():
                bench.store.note(f"{kind} | {architecture} | {name}", why)
            if wanted.methods:
                methods = {name: methods[name] for name in methods if name in wanted.methods}
            model = Model(wanted, kind, architecture, module, methods)
            with unets.ldm_sdp_attention() if kind == LDM else contextlib.nullcontext():
                _measure_model(bench, model)
            del module, model


def _measure_model(bench: Bench, model: Model) -> None:
    kind, architecture, wanted = model.kind, model.architecture, model.wanted
    # what fails is noted, and left out from here on
    for name, held in model.calls(bench, FIRST_CALL_PIXELS).items():
        note = ("unet", kind, architecture, name, "first call")
        if not bench.attempt(note, name, held, lambda call: call()):
            del model.methods[name]
    for attention in attention_backends.for_whole_models(bench.device, bench.dtype):
        if wanted.attentions is not None and attention not in wanted.attentions:
            continue
        sizes = {}
        for size in wanted.sizes:
            height, width = model.case(size).grids[0]
            key = ("unet", attention_backends.implementation(kind, attention), architecture)
            heads = unets.heads_of_largest_grid(architecture)
            numbers = wanted.batch * heads * (height * width) ** 2
            if attention_backends.fits(attention, numbers, bench.device):
                sizes[(*key, str(size))] = model.calls(bench, size)
            else:
                bench.store.note(" | ".join((*key, str(size))), attention_backends.TOO_LARGE)
        with attention_backends.using(attention):
            if wanted.timed:
                for key, calls in sizes.items():
                    bench.interleave(key, calls)
            if wanted.memory:
                for key, calls in sizes.items():
                    bench.memory(key, calls)


def measure_passes(bench: Bench, wanted: Wanted, steps: int) -> None:
    """Time passes of `steps` steps of Euler: every step, the lead-in and the phases too."""
    conditions = {"batch": wanted.batch, "threshold": wanted.settings.threshold}
    bench.store.set_conditions("pass", **conditions, steps=steps, sampler="Euler")
    for architecture in wanted.architectures:
        module = unets.build_diffusers(architecture, bench.device, bench.dtype)
        methods = available(DIFFUSERS, architecture, wanted.folders)[0]
        methods |= {name: preset(its_own, whole_pass=True) for name, its_own in PRESETS.items()}
        methods = {
            name: methods[name]
            for name in IN_A_PASS
            if name in methods and name in (wanted.methods or IN_A_PASS)
        }
        model = Model(wanted, DIFFUSERS, architecture, module, methods)
        for size in wanted.sizes:
            draw = _sampling(bench, model, size, steps)
            calls = model.held(model.case(size), draw)
            bench.interleave(("pass", architecture, str(size)), calls)
        del module, model


def _sampling(bench: Bench, model: Model, size: int, steps: int) -> Callable[[], torch.Tensor]:
    """One pass; the schedule is set in it, as a pipeline does, so that ToDo hears of it."""
    from diffusers import EulerDiscreteScheduler

    inputs = unets.inputs_for(
        model.architecture, size, size, model.wanted.batch, bench.device, bench.dtype
    )

    def draw() -> torch.Tensor:
        scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear")
        scheduler.set_timesteps(steps, device=bench.device)
        latent = inputs["sample"] * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latent, timestep)
            now = {**inputs, "sample": scaled, "timestep": timestep}
            noise = unets.call_diffusers(model.module, now)()
            latent = scheduler.step(noise, timestep, latent, return_dict=False)[0]
        return latent

    return draw
