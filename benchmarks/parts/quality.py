"""The error of each method: how far its pictures are from those without pooling (dense).

With a real checkpoint and the same random seeds; only the second pass of hires fix differs. The
library is used by a `with` alone, so that it has to find the steps by itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import torch

from benchmarks.models.checkpoint import Checkpoint, Sampling
from benchmarks.models.schedulers import SCHEDULERS
from benchmarks.peers.methods import DENSE, PRESETS, Method, available
from benchmarks.running.bench import Bench
from comparison.metrics import high_frequency_ratio, psnr

# with each sampler
COMPARED = (*PRESETS, "ToMe 0.75")
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
# a method's latents and dense's, to the figures of them
Figures = Callable[[torch.Tensor, torch.Tensor], dict[str, float]]


def measure(bench: Bench, checkpoint: Checkpoint, args: argparse.Namespace) -> None:
    """Errors against dense at each enlargement: by every method, and with each sampler."""

    def figures(latents: torch.Tensor, dense: torch.Tensor) -> dict[str, float]:
        picture, dense_picture = map(checkpoint.sampler.decode, (latents, dense))
        fine = high_frequency_ratio(picture, dense_picture)
        return {
            **_error(latents, dense),
            "psnr": psnr(picture, dense_picture),
            "high_frequency": fine,
        }

    for part in {"quality", "samplers"} & set(args.parts):
        bench.store.set_conditions(part, **checkpoint.conditions())
    for times in args.enlargements:
        side, grid = times * checkpoint.native, times * checkpoint.threshold
        methods = available(checkpoint.sampler.unet, (grid, grid), checkpoint.threshold)
        asked = {name: methods[name] for name in methods if name in (args.methods or methods)}
        if "quality" in args.parts:
            draw = partial(checkpoint.latents, side=side)
            _measure(bench, ("quality", str(side)), asked, draw, figures, args.seeds)
        if "samplers" in args.parts:
            compared = {name: asked[name] for name in COMPARED if name in asked}
            for name in args.samplings or SAMPLINGS:
                draw = partial(checkpoint.latents, side=side, sampling=SAMPLINGS[name])
                key = ("samplers", str(side), name)
                _measure(bench, key, compared, draw, _error, args.seeds)


def _error(latents: torch.Tensor, dense: torch.Tensor) -> dict[str, float]:
    return {"latent_mse": float((latents - dense).square().mean())}


def _measure(
    bench: Bench,
    key: tuple[str, ...],
    methods: dict[str, Method],
    draw: Callable[[int], torch.Tensor],
    figures: Figures,
    seeds: int,
) -> None:
    """Add the figures of the seeds that some method lacks, until time is up."""
    points = {name: bench.store.point(*key, name) for name in methods if name != DENSE}
    done = min((_seeds_of(point) for point in points.values()), default=seeds)
    task = bench.progress.add_task(" ".join(key), total=seeds, completed=done)
    for seed in range(done, seeds):
        if bench.out_of_time:
            return
        dense = draw(seed)
        for name in [name for name, point in points.items() if _seeds_of(point) == seed]:
            add = partial(_add, points[name], figures, partial(draw, seed), dense)
            bench.attempt((*key, name), methods[name], add)
        bench.store.save()
        bench.progress.advance(task)


def _add(
    point: dict[str, list[float]],
    figures: Figures,
    draw: Callable[[], torch.Tensor],
    dense: torch.Tensor,
    _: Any,
) -> None:
    for figure, value in figures(draw(), dense).items():
        point.setdefault(figure, []).append(value)


def _seeds_of(point: dict[str, Collection[float]]) -> int:
    return len(point.get("latent_mse", ()))
