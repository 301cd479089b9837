"""One call of a U-Net, by size and method: times and peak memory."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.models import attention_backends, unets
from benchmarks.peers.case import Case, Method
from benchmarks.peers.methods import Folders, available
from benchmarks.peers.names import DIFFUSERS, LDM, implementation
from benchmarks.running.bench import Bench, Methods
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.plan import latent_grid, level_grid

WARM_UP_PIXELS = 256


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


def measure(bench: Bench, wanted: Wanted) -> None:
    """Measure every U-Net and size; what cannot run is noted."""
    bench.store.set_conditions("unet", batch=wanted.batch, threshold=wanted.settings.threshold)
    for architecture in wanted.architectures:
        for kind in wanted.kinds:
            if kind == LDM and architecture == "SDXL":
                bench.store.note(f"{kind} | {architecture}", "this ldm has no SDXL")
                continue
            try:
                build = unets.build_diffusers if kind == DIFFUSERS else unets.build_ldm
                model = build(architecture, bench.device, bench.dtype)
            except ImportError as error:
                bench.store.note(f"{kind} | {architecture}", str(error))
                continue
            sdp = unets.ldm_sdp_attention if kind == LDM else contextlib.nullcontext
            with sdp():
                _measure_model(bench, wanted, kind, architecture, model)
            del model


def _measure_model(bench: Bench, wanted: Wanted, kind: str, architecture: str, model: Any) -> None:
    methods, left_out = available(kind, architecture, wanted.folders)
    for name, why in left_out.items():
        bench.store.note(f"{kind} | {architecture} | {name}", why)
    if wanted.methods:
        methods = {name: methods[name] for name in methods if name in wanted.methods}
    methods = _that_run(bench, wanted, kind, architecture, model, methods)
    for attention in attention_backends.for_whole_models(bench.device, bench.dtype):
        if wanted.attentions is None or attention in wanted.attentions:
            with attention_backends.using(attention):
                _measure_sizes(bench, wanted, kind, architecture, attention, model, methods)


def _measure_sizes(
    bench: Bench,
    wanted: Wanted,
    kind: str,
    architecture: str,
    attention: str,
    model: Any,
    methods: dict[str, Method],
) -> None:
    by_size = {}
    for size in wanted.sizes:
        case = case_of(model, kind, architecture, size, wanted)
        key = ("unet", implementation(kind, attention), architecture, str(size))
        queries = case.grids[0][0] * case.grids[0][1]
        numbers = wanted.batch * unets.heads_of_largest_grid(architecture) * queries**2
        if attention_backends.fits(attention, numbers, bench.device):
            by_size[key] = _held(bench, wanted, case, methods)
        else:
            bench.store.note(" | ".join(key), attention_backends.TOO_LARGE)
    if wanted.timed:
        for key, held in by_size.items():
            bench.warm_up(key, held)
            bench.interleave(key, held)
    if wanted.memory:
        for key, held in by_size.items():
            bench.memory(key, held)


def case_of(model: Any, kind: str, architecture: str, size: int, wanted: Wanted) -> Case:
    """The U-Net at that side in pixels, with the grids of its self-attention."""
    latent = latent_grid(size, size)
    # "narrow" is SD 1.x with fewer channels
    levels = SHAPES.get(architecture, SHAPES["SD 1.x"]).levels
    grids = [level_grid(latent, level.downscale) for level in levels]
    return Case(model, kind, architecture, size, size, grids, wanted.settings, wanted.batch)


def _held(bench: Bench, wanted: Wanted, case: Case, methods: dict[str, Method]) -> Methods:
    inputs = unets.inputs_for(
        case.architecture, case.width, case.height, wanted.batch, bench.device, bench.dtype
    )
    make = unets.call_diffusers if case.kind == DIFFUSERS else unets.call_ldm
    call = make(case.model, inputs)

    return holding(case, call, methods)


def holding(case: Case, call: Callable[[], torch.Tensor], methods: dict[str, Method]) -> Methods:
    """For each method what applies it to the case and yields the call to measure."""

    @contextlib.contextmanager
    def hold(method: Method) -> Iterator[Callable[[], torch.Tensor]]:
        with method(case):
            yield call

    return {name: lambda method=method: hold(method) for name, method in methods.items()}


def _that_run(
    bench: Bench,
    wanted: Wanted,
    kind: str,
    architecture: str,
    model: Any,
    methods: dict[str, Method],
) -> dict[str, Method]:
    """The methods that survive one small call; those that fail are noted."""
    case = case_of(model, kind, architecture, WARM_UP_PIXELS, wanted)
    held = _held(bench, wanted, case, methods)
    running = {}
    for name, method in methods.items():
        note = ("unet", kind, architecture, name, "first call")
        if bench.attempt(note, name, held[name], lambda call: call()):
            running[name] = method
    return running
