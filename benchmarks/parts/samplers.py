"""How far the presets are from dense with each sampler, number of steps and denoising strength.

The library is used as a program uses it that writes only the `with`: nobody tells the steps.
"""

from __future__ import annotations

import torch
from PIL import Image

from benchmarks.models.hires import HiresPipeline, Sampling
from benchmarks.models.schedulers import SCHEDULERS
from benchmarks.parts.quality import Methods, draw_all, methods
from benchmarks.peers.names import DENSE
from benchmarks.running.bench import Bench

# the one that the others of a row are divided by
PAPER = "ToDo nearest"
COMPARED = (PAPER, "ToDo close", "ToDo balanced", "ToDo fast", "ToMe 0.75")
STEP_COUNTS, STRENGTHS = (7, 12, 25, 50), (0.3, 0.45, 0.8, 1.0)
VARIED = ("DDIM", "DPM++ 2M")


def _samplings() -> dict[str, Sampling]:
    found = [Sampling(sampler) for sampler in SCHEDULERS]
    for sampler in VARIED:
        found += [Sampling(sampler, steps=steps) for steps in STEP_COUNTS]
        found += [Sampling(sampler, strength=strength) for strength in STRENGTHS]
        found.append(Sampling(sampler, strength=None))
    return {_name(sampling): sampling for sampling in found}


def _name(sampling: Sampling) -> str:
    how = "from noise" if sampling.strength is None else f"strength {sampling.strength:g}"
    return f"{sampling.sampler}, {sampling.steps} steps, {how}"


SAMPLINGS = _samplings()


def measure(
    bench: Bench,
    pipeline: HiresPipeline,
    seeds: int,
    enlargements: list[int],
    samplings: list[str] | None = None,
    wanted: list[str] | None = None,
) -> None:
    """Errors of the latents against dense's with the same sampler, for seeds 0 and on.

    Args:
        samplings: of SAMPLINGS; all without it.
        wanted: of COMPARED; all without it.
    """
    bench.store.set_conditions("samplers", **pipeline.checkpoint.conditions())
    starts: dict[tuple[int, int], Image.Image] = {}
    for times in enlargements:
        side = times * pipeline.checkpoint.native
        compared = methods(pipeline, times)
        found = {name: compared[name] for name in wanted or COMPARED}
        for name in samplings or SAMPLINGS:
            key = ("samplers", str(side), name)
            points = {method: bench.store.point(*key, method) for method in found}
            done = min(len(point.setdefault("latent_mse", [])) for point in points.values())
            task = bench.progress.add_task(f"{name} {side}²", total=seeds, completed=done)
            for seed in range(done, seeds):
                if bench.out_of_time:
                    return
                if (side, seed) not in starts:
                    starts[side, seed] = pipeline.enlarged_first_pass(seed, side)
                errors = _errors(bench, pipeline, key, seed, starts[side, seed], found)
                for method, error in errors.items():
                    values = points[method]["latent_mse"]
                    if len(values) == seed:
                        values.append(error)
                bench.store.save()
                bench.progress.advance(task)


def _errors(
    bench: Bench,
    pipeline: HiresPipeline,
    key: tuple[str, ...],
    seed: int,
    start: Image.Image,
    found: Methods,
) -> dict[str, float]:
    sampling = SAMPLINGS[key[-1]]

    def draw(_: object) -> torch.Tensor:
        return pipeline.sample(seed, start.width, start, sampling)

    drawn = draw_all(bench, key, found, draw)
    dense = drawn.pop(DENSE)
    return {name: float((latents - dense).square().mean()) for name, latents in drawn.items()}
