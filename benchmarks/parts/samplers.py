"""The error of the presets with each sampler, number of steps and denoising strength.

With diffusers, the library is used by a `with` alone, so that it has to find the steps by itself.
With a WebUI the extension is used, with every sampler that the WebUI offers.
"""

from __future__ import annotations

import torch
from PIL import Image

from benchmarks.models.hires import (
    GUIDANCE,
    STEPS,
    STRENGTH,
    HiresPipeline,
    Sampling,
    prompt_of,
)
from benchmarks.models.schedulers import SCHEDULERS
from benchmarks.parts.quality import Methods, draw_all, methods
from benchmarks.peers.names import DENSE
from benchmarks.running.bench import Bench
from benchmarks.running.webui import WebUI
from demo.comparison.metrics import mean_squared_error
from lib_todo.plan import PIXELS_PER_LATENT
from lib_todo.settings import preset_values

# the one by which the others in a row are divided
PAPER = "ToDo nearest"
COMPARED = (PAPER, "ToDo close", "ToDo balanced", "ToDo fast", "ToMe 0.75")
# for a WebUI: the presets, and the names of the methods here
IN_WEBUI = {"paper": PAPER, "close": "ToDo close", "balanced": "ToDo balanced"}
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
        samplings: some of SAMPLINGS (default: all).
        wanted: some of COMPARED (default: all).
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


def measure_webui(
    bench: Bench, webui: WebUI, native: int, seeds: int, wanted: list[str] | None = None
) -> None:
    """Errors of the pictures, image to image at twice the native size, with the WebUI's samplers.

    Args:
        native: the checkpoint's own size in pixels.
        wanted: names of samplers (default: all).
    """
    side, base = 2 * native, {"cfg_scale": GUIDANCE, "steps": STEPS}
    common = {**base, "width": side, "height": side, "denoising_strength": STRENGTH}
    grid = native // PIXELS_PER_LATENT
    bench.store.set_conditions("WebUI samplers", native=native, checkpoint=webui.checkpoint())
    starts = []
    for seed in range(seeds):
        small = {**base, "width": native, "height": native, "sampler_name": "Euler"}
        picture = webui.generate(None, prompt=prompt_of(seed), seed=seed, **small)
        starts.append(picture.resize((side, side), Image.Resampling.LANCZOS))
    for sampler in wanted or webui.samplers():
        key = ("WebUI samplers", str(side), sampler)
        points = {
            name: bench.store.point(*key, method).setdefault("picture_mse", [])
            for name, method in IN_WEBUI.items()
        }
        done = min(map(len, points.values()))
        task = bench.progress.add_task(f"{sampler} {side}²", total=seeds, completed=done)
        for seed in range(done, seeds):
            if bench.out_of_time:
                return
            request = {"prompt": prompt_of(seed), "seed": seed, "sampler_name": sampler, **common}
            # encoding a prompt advances the random generator from which the start's latent comes
            webui.generate(None, prompt=prompt_of(seed), seed=seed, steps=1, width=64, height=64)
            dense = webui.generate(None, start=starts[seed], **request)
            for name, errors in points.items():
                todo = {"preset": name, "threshold": preset_values(name, grid)["threshold"]}
                picture = webui.generate(todo, start=starts[seed], **request)
                errors[seed:] = [mean_squared_error(picture, dense)]
            bench.store.save()
            bench.progress.advance(task)
