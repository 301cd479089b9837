"""The error of each method: how far its pictures are from those without pooling (dense).

With a real checkpoint and the same random seeds; only the second pass of hires fix differs. The
library is used by a `with` alone, so that it has to find the steps by itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch

from benchmarks.models.checkpoint import Checkpoint, Sampling
from benchmarks.models.schedulers import SCHEDULERS
from benchmarks.peers.names import DENSE, HIDIFFUSION, HYPERTILE, PRESETS, TODO_BY, TOMES
from benchmarks.peers.others import tome
from benchmarks.running.bench import Bench
from comparison.metrics import high_frequency_ratio, psnr
from lib_todo import Settings, token_downsampling
from lib_todo.plan import PIXELS_PER_LATENT
from lib_todo.settings import METHODS

# the WebUI's default tile of 256 pixels is half of what SD 1.x was trained on
HYPERTILE_OF_NATIVE = 2
MOVING_BY = (2, 3, 4, 6)
# the paper's ToDo, by which the errors with each sampler are divided, and what is beside it
PAPER = "ToDo nearest"
COMPARED = (PAPER, *PRESETS, "ToMe 0.75")
STEP_COUNTS, STRENGTHS = (7, 12, 25, 50), (0.3, 0.45, 0.8, 1.0)
VARIED = ("DDIM", "DPM++ 2M")
_VARIATIONS = (
    *({"steps": steps} for steps in STEP_COUNTS),
    *({"strength": strength} for strength in (*STRENGTHS, None)),
)
SAMPLINGS = {
    sampling.name: sampling
    for sampling in (
        *map(Sampling, SCHEDULERS),
        *(Sampling(sampler, **change) for sampler in VARIED for change in _VARIATIONS),
    )
}
# by name, context managers that apply a method
Methods = dict[str, Callable[[], AbstractContextManager[Any]]]


def variants(threshold: int, enlargement: int) -> dict[str, Settings]:
    """The settings compared at `enlargement` times the trained size.

    They are the presets, and the paper's settings with one thing changed: "moving" is a moving
    phase. From an enlargement of 3 on, the paper pools deeper layers too.
    """
    change = partial(dataclasses.replace, Settings.from_preset("paper", threshold=threshold))
    found = {f"ToDo {name}": change(method=name) for name in METHODS}
    found |= {
        name: Settings.from_preset(preset, native_grid=threshold)
        for name, preset in PRESETS.items()
    }
    found |= {f"ToDo moving {f}": change(factor=f, phase="moving") for f in MOVING_BY}
    if enlargement == 2:
        found |= {f"ToDo factor {f:g}": change(factor=f) for f in (1.5, *TODO_BY.values())}
        found["ToDo, last 40% of steps dense"] = change(end=0.6)
        found["ToDo, first 40% of steps dense"] = change(start=0.4)
        found[f"ToDo threshold {threshold // 2}"] = change(threshold=threshold // 2)
    else:
        found["ToDo, deeper layers dense"] = change(deep_factor=1)
        found |= {f"ToDo factor {f}": change(factor=f) for f in (2, 4, 6)}
    return found


def methods(checkpoint: Checkpoint, enlargement: int) -> Methods:
    """All variants of ToDo, and the other methods, for the checkpoint's U-Net."""
    from benchmarks.peers.any_unet import tiled, windowed

    unet, side = checkpoint.sampler.unet, checkpoint.threshold * enlargement
    case = checkpoint.case(enlargement * checkpoint.native)
    tile = checkpoint.threshold // HYPERTILE_OF_NATIVE
    settings = variants(checkpoint.threshold, enlargement)
    return {
        **{name: partial(token_downsampling, each) for name, each in settings.items()},
        **{name: lambda ratio=ratio: tome(ratio)(case) for name, ratio in TOMES.items()},
        HYPERTILE: lambda: tiled(unet, (side, side), tile),
        HIDIFFUSION: lambda: windowed(unet),
    }


def names(native: int, enlargements: list[int]) -> list[str]:
    """The names of all that is compared at any enlargement; `native` is in pixels."""
    ours = [name for times in enlargements for name in variants(native // PIXELS_PER_LATENT, times)]
    return list(dict.fromkeys([*ours, *TOMES, HYPERTILE, HIDIFFUSION]))


def _drawn(
    bench: Bench, key: tuple[str, ...], found: Methods, draw: Callable[[], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The latents by method, including dense; methods that fail are left out."""
    drawn: dict[str, torch.Tensor] = {}

    def keep(_: Any, name: str) -> None:
        drawn[name] = draw()

    for name, method in {DENSE: contextlib.nullcontext, **found}.items():
        bench.attempt((*key, name, "drawing"), name, method, partial(keep, name=name))
    return drawn


def measure(
    bench: Bench,
    checkpoint: Checkpoint,
    seeds: int,
    enlargements: list[int],
    wanted: list[str] | None = None,
) -> None:
    """Errors of every variant against dense, for seeds from 0 on, at each enlargement.

    Args:
        wanted: some of `names` (default: all). Not all are compared at every enlargement.
    """
    bench.store.set_conditions("quality", **checkpoint.conditions())
    for times in enlargements:
        side = times * checkpoint.native
        found = methods(checkpoint, times)
        found = {name: each for name, each in found.items() if name in (wanted or found)}
        if not found:
            continue
        key = ("quality", str(side))
        points = {name: bench.store.point(*key, name) for name in found}
        numbers = ("latent_mse", "psnr", "high_frequency")
        for seed, add in bench.each_seed(key, points, numbers, seeds):
            drawn = _drawn(bench, key, found, partial(checkpoint.latents, seed, side))
            dense = drawn.pop(DENSE)
            dense_picture = checkpoint.sampler.decode(dense)
            for name, latents in drawn.items():
                picture = checkpoint.sampler.decode(latents)
                add(
                    name,
                    {
                        "latent_mse": float((latents - dense).square().mean()),
                        "psnr": psnr(picture, dense_picture),
                        "high_frequency": high_frequency_ratio(picture, dense_picture),
                    },
                )


def measure_samplers(
    bench: Bench,
    checkpoint: Checkpoint,
    seeds: int,
    enlargements: list[int],
    samplings: list[str] | None = None,
    wanted: list[str] | None = None,
) -> None:
    """Errors of the latents with each sampler, number of steps and denoising strength.

    Args:
        samplings: some of SAMPLINGS (default: all).
        wanted: some of COMPARED (default: all).
    """
    bench.store.set_conditions("samplers", **checkpoint.conditions())
    for times in enlargements:
        side = times * checkpoint.native
        compared = methods(checkpoint, times)
        found = {name: compared[name] for name in COMPARED if name in (wanted or COMPARED)}
        for name in samplings or SAMPLINGS:
            key = ("samplers", str(side), name)
            points = {method: bench.store.point(*key, method) for method in found}
            draw = partial(checkpoint.latents, side=side, sampling=SAMPLINGS[name])
            for seed, add in bench.each_seed(key, points, ("latent_mse",), seeds):
                drawn = _drawn(bench, key, found, partial(draw, seed))
                dense = drawn.pop(DENSE)
                for method, latents in drawn.items():
                    add(method, {"latent_mse": float((latents - dense).square().mean())})
