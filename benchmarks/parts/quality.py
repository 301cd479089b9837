"""The error of each method: how far its pictures are from those without pooling (dense).

With a real checkpoint and the same random seeds; only the second pass of hires fix differs.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from PIL import Image

from benchmarks.models.hires import HiresPipeline
from benchmarks.peers.names import DENSE, HIDIFFUSION, HYPERTILE, PRESETS, TODO_BY, TOMES
from benchmarks.peers.tiles import tiled
from benchmarks.peers.tome import tome
from benchmarks.peers.windows import windowed
from benchmarks.running.bench import Bench
from demo.comparison.metrics import high_frequency_ratio, psnr
from lib_todo import Settings, token_downsampling
from lib_todo.plan import PIXELS_PER_LATENT
from lib_todo.settings import METHODS

# the WebUI's default tile of 256 pixels is half of what SD 1.x was trained on
HYPERTILE_OF_NATIVE = 2
MOVING_BY = (2, 3, 4, 6)
# by name, context managers that apply a method; they yield ToDo's report or None
Methods = dict[str, Callable[[], AbstractContextManager[Any]]]
# by name, how a picture is compared with the dense one
MEASURES = {"psnr": psnr, "high_frequency": high_frequency_ratio}


def variants(threshold: int, enlargement: int) -> dict[str, Settings]:
    """The settings compared at `enlargement` times the trained size.

    They are the presets, and the paper's settings with one thing changed: "moving" is a moving
    phase. From an enlargement of 3 on, the paper pools deeper layers too.
    """
    automatic = Settings.from_preset("paper", threshold=threshold)
    change = dataclasses.replace
    found = {f"ToDo {name}": change(automatic, method=name) for name in METHODS}
    found |= {
        name: Settings.from_preset(preset, native_grid=threshold)
        for name, preset in PRESETS.items()
    }
    found |= {f"ToDo moving {f}": change(automatic, factor=f, phase="moving") for f in MOVING_BY}
    if enlargement == 2:
        factors = (1.5, *TODO_BY.values())
        found |= {f"ToDo factor {f:g}": change(automatic, factor=f) for f in factors}
        found["ToDo, last 40% of steps dense"] = change(automatic, end=0.6)
        found["ToDo, first 40% of steps dense"] = change(automatic, start=0.4)
        found[f"ToDo threshold {threshold // 2}"] = change(automatic, threshold=threshold // 2)
    else:
        found["ToDo, deeper layers dense"] = change(automatic, deep_factor=1)
        found |= {f"ToDo factor {f}": change(automatic, factor=f) for f in (2, 4, 6)}
    return found


def methods(pipeline: HiresPipeline, enlargement: int) -> Methods:
    """All variants of ToDo, and the other methods, for the pipeline's U-Net."""
    checkpoint = pipeline.checkpoint
    unet, side = pipeline.first.unet, checkpoint.threshold * enlargement
    case = pipeline.case(enlargement * checkpoint.native)
    found: Methods = {
        name: lambda settings=settings: token_downsampling(settings)
        for name, settings in variants(checkpoint.threshold, enlargement).items()
    }
    for name, ratio in TOMES.items():
        found[name] = lambda by=ratio: tome(by)(case)
    tile = checkpoint.threshold // HYPERTILE_OF_NATIVE
    found[HYPERTILE] = lambda: tiled(unet, (side, side), tile)
    found[HIDIFFUSION] = lambda: windowed(unet)
    return found


def names(native: int, enlargements: list[int]) -> list[str]:
    """The names of all that is compared at any enlargement; `native` is in pixels."""
    ours = (variants(native // PIXELS_PER_LATENT, times) for times in enlargements)
    return list(dict.fromkeys([*itertools.chain(*ours), *TOMES, HYPERTILE, HIDIFFUSION]))


def draw_all(
    bench: Bench, key: tuple[str, ...], found: Methods, draw: Callable[[Any], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The latents by method, including dense; methods that fail are left out.

    Args:
        bench: the run.
        key: the points' key without the method.
        found: the methods.
        draw: makes the latents; gets ToDo's report or None.
    """
    drawn = {DENSE: draw(None)}
    for name, method in found.items():

        def draw_with(report: Any, name: str = name) -> None:
            drawn[name] = draw(report)

        bench.attempt((*key, name, "drawing"), name, method, draw_with)
    return drawn


def measure(
    bench: Bench,
    pipeline: HiresPipeline,
    seeds: int,
    enlargements: list[int],
    wanted: list[str] | None = None,
) -> None:
    """Errors of every variant against dense, for seeds from 0 on, at each enlargement.

    Args:
        wanted: some of `names` (default: all). Not all are compared at every enlargement.
    """
    bench.store.set_conditions("quality", **pipeline.checkpoint.conditions())
    for times in enlargements:
        side = times * pipeline.checkpoint.native
        found = methods(pipeline, times)
        found = {name: each for name, each in found.items() if wanted is None or name in wanted}
        if not found:
            continue
        points = {name: bench.store.point("quality", str(side), name) for name in found}
        done = min(
            len(p.get(key, [])) for p in points.values() for key in ("latent_mse", *MEASURES)
        )
        task = bench.progress.add_task(f"quality {side}²", total=seeds, completed=done)
        for seed in range(done, seeds):
            if bench.out_of_time:
                break
            start = pipeline.enlarged_first_pass(seed, side)

            def draw(report: Any, seed: int = seed, start: Image.Image = start) -> torch.Tensor:
                return pipeline.second_pass(seed, start, report)

            drawn = draw_all(bench, ("quality", str(side)), found, draw)
            dense = drawn.pop(DENSE)
            dense_picture = pipeline.decode(dense)
            for name, latents in drawn.items():
                picture = pipeline.decode(latents)
                numbers = {key: of(picture, dense_picture) for key, of in MEASURES.items()}
                numbers["latent_mse"] = float((latents - dense).square().mean())
                _append(points[name], seed, numbers)
            bench.store.save()
            bench.progress.advance(task)


def _append(point: dict[str, list[float]], seed: int, numbers: dict[str, float]) -> None:
    """Add a seed's numbers, unless they are there already."""
    for key, value in numbers.items():
        values = point.setdefault(key, [])
        if len(values) == seed:
            values.append(value)
