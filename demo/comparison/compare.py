"""The comparison: the same picture by each method, after a warm-up, in turns, with medians."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from demo.comparison import metrics
from demo.comparison.methods import Method
from demo.comparison.recipe import Recipe
from demo.comparison.sampling import Run, Sampler

OnProgress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True)
class Result:
    """One method's picture and figures. Differences are None without a baseline."""

    method: Method
    image: Image.Image
    runs: list[Run]
    step_speedup: float | None = None
    speedup: float | None = None
    mse: float | None = None
    psnr: float | None = None
    high_frequency_ratio: float | None = None

    @property
    def step_seconds(self) -> float:
        """The median over the steps of all runs."""
        return statistics.median(second for run in self.runs for second in run.step_seconds)

    @property
    def seconds(self) -> float:
        """The median over the runs, text encoder and autoencoder included."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def peak_memory(self) -> int:
        """In bytes, the largest of the runs."""
        return max(run.peak_memory for run in self.runs)

    @property
    def largest_level(self) -> tuple[int, float]:
        """Tokens and keys of the self-attention layers with the largest grid."""
        level = self.runs[0].levels[0]
        return level.tokens, level.keys

    def to_dict(self) -> dict[str, Any]:
        """The figures in types that JSON knows. The PSNR of equal pictures is None."""
        run = self.runs[0]
        return {
            "method": self.method.name,
            "settings": self.method.settings(),
            "seconds": {
                "step": self.step_seconds,
                "total": self.seconds,
                "steps_of_runs": [run.step_seconds for run in self.runs],
                "total_of_runs": [run.seconds for run in self.runs],
            },
            "speedup": {"step": self.step_speedup, "total": self.speedup},
            "peak_memory_bytes": self.peak_memory,
            "keys": [dataclasses.asdict(level) for level in run.levels],
            "mse": self.mse,
            "psnr": self.psnr if self.psnr is not None and math.isfinite(self.psnr) else None,
            "high_frequency_ratio": self.high_frequency_ratio,
            "report": run.report,
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All results of one recipe, in the order of its methods."""

    recipe: Recipe
    enlarged: Image.Image | None
    results: list[Result]


def compare(
    sampler: Sampler,
    recipe: Recipe,
    methods: Sequence[Method],
    repeats: int,
    on_progress: OnProgress,
) -> Comparison:
    """Make the recipe's picture by every method.

    The first pass of a hires recipe is sampled once and shared: at its size there is nothing to
    pool. Each method is warmed up with one step at the final size, then all take turns
    `repeats` times.

    Args:
        sampler: for the pipeline.
        recipe: what picture to make.
        methods: how to make it.
        repeats: runs of each method.
        on_progress: called with (what runs, steps done, total steps); an exception from it ends
            the comparison.
    """
    first_steps = recipe.steps if recipe.first else 0
    total = first_steps + len(methods) * (1 + repeats * recipe.last_steps)
    done = 0

    def stage(title: str, planned: int) -> Callable[[int, int], None]:
        on_progress(title, done, total)
        before = done

        def on_step(step: int, steps: int) -> None:
            nonlocal done
            # a second-order scheduler counts more steps than were set
            done = before + planned * step // steps
            on_progress(title, done, total)

        return on_step

    enlarged = None
    if recipe.first:
        enlarged = sampler.first_pass(recipe, stage("First pass", first_steps))
    for method in methods:
        on_step = stage(f"{method.title}, warm-up", 1)
        sampler.last_pass(_one_step(recipe), method, enlarged, on_step)
    runs: dict[str, list[Run]] = {method.name: [] for method in methods}
    for turn in range(repeats):
        for method in methods:
            on_step = stage(f"{method.title}, {turn + 1} of {repeats}", recipe.last_steps)
            runs[method.name].append(sampler.last_pass(recipe, method, enlarged, on_step))
    on_progress("Done", total, total)
    results = [Result(method, runs[method.name][0].image, runs[method.name]) for method in methods]
    return Comparison(recipe, enlarged, _against_baseline(results))


def _one_step(recipe: Recipe) -> Recipe:
    strength = 1.0 if recipe.first else recipe.strength
    return dataclasses.replace(recipe, steps=1, strength=strength)


def _against_baseline(results: list[Result]) -> list[Result]:
    baseline = next((result for result in results if result.method.name == "baseline"), None)
    if baseline is None:
        return results
    return [_against(result, baseline) for result in results]


def _against(result: Result, baseline: Result) -> Result:
    compared = dataclasses.replace(
        result,
        step_speedup=baseline.step_seconds / result.step_seconds,
        speedup=baseline.seconds / result.seconds,
    )
    if result is baseline:
        return compared
    return dataclasses.replace(
        compared,
        mse=metrics.mean_squared_error(result.image, baseline.image),
        psnr=metrics.psnr(result.image, baseline.image),
        high_frequency_ratio=metrics.high_frequency_ratio(result.image, baseline.image),
    )
