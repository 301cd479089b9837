"""The comparison: the same picture by each method, after a warm-up, in turns, with medians."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from comparison import metrics
from comparison.measuring import KeyCounter, LevelKeys, OnStep, StepClock, peak_bytes, synchronize
from comparison.recipe import Recipe
from comparison.sampling import Sampler
from demo.methods import Method

# called with what runs, the steps done, and all steps
OnProgress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True)
class Run:
    """A final picture and its measurements."""

    image: Image.Image
    seconds: float
    step_seconds: list[float]
    levels: list[LevelKeys]
    report: Any


def measured(
    sampler: Sampler, recipe: Recipe, method: Method, enlarged: Image.Image | None, on_step: OnStep
) -> Run:
    """The final picture by `method`, from the enlarged first pass or from noise."""
    clock, counter = StepClock(sampler.unet, on_step), KeyCounter(sampler.unet)
    with method.applied(sampler.pipe) as report, clock.running(), counter.counting():
        started = time.perf_counter()
        image = sampler.last_pass(recipe, enlarged, clock)
        synchronize(sampler.unet.device)
        seconds = time.perf_counter() - started
    return Run(image, seconds, clock.seconds, counter.levels(), report)


def warmed_up(
    sampler: Sampler, recipe: Recipe, method: Method, enlarged: Image.Image | None
) -> int:
    """Run `method` for one step at the final size; returns the peak of its memory in bytes."""
    one_step = dataclasses.replace(recipe, steps=1, strength=1.0)
    with method.applied(sampler.pipe):
        return peak_bytes(lambda: sampler.last_pass(one_step, enlarged), sampler.unet.device)


@dataclasses.dataclass(frozen=True)
class Result:
    """One method's picture and figures, beside the baseline's where that was made too."""

    method: Method
    runs: list[Run]
    peak_memory: int
    baseline: Result | None = None

    @property
    def image(self) -> Image.Image:
        """The picture; every run makes the same one."""
        return self.runs[0].image

    @property
    def report_line(self) -> str:
        """ToDo's report; empty with other methods."""
        report = self.runs[0].report
        return report.line() if report else ""

    @property
    def step_seconds(self) -> float:
        """The median over the steps of all runs."""
        return statistics.median(second for run in self.runs for second in run.step_seconds)

    @property
    def seconds(self) -> float:
        """The median over the runs, text encoder and autoencoder included."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def largest_level(self) -> LevelKeys:
        """The self-attention layers with the largest grid."""
        return self.runs[0].levels[0]

    @property
    def step_speedup(self) -> float | None:
        """How many times as fast a step is as the baseline's."""
        return self.baseline and self.baseline.step_seconds / self.step_seconds

    @property
    def differences(self) -> dict[str, float]:
        """How far the picture is from the baseline's; empty without one, or for the baseline.

        `mse` is of values from 0 to 1; `psnr` is in decibels, and infinite for equal pictures;
        `detail` is the fine detail relative to the baseline's.
        """
        if self.baseline is None or self.method.name == "baseline":
            return {}
        pictures = self.image, self.baseline.image
        return {
            "mse": metrics.mean_squared_error(*pictures),
            "psnr": metrics.psnr(*pictures),
            "detail": metrics.high_frequency_ratio(*pictures),
        }

    def to_dict(self) -> dict[str, Any]:
        """The figures in types that JSON knows. An infinite PSNR is None."""
        run, finite = self.runs[0], {k: v for k, v in self.differences.items() if math.isfinite(v)}
        return {
            "method": self.method.name,
            "settings": self.method.settings,
            "seconds": {
                "step": self.step_seconds,
                "total": self.seconds,
                "steps_of_runs": [run.step_seconds for run in self.runs],
                "total_of_runs": [run.seconds for run in self.runs],
            },
            "speedup": {
                "step": self.step_speedup,
                "total": self.baseline and self.baseline.seconds / self.seconds,
            },
            "peak_memory_bytes": self.peak_memory,
            "keys": [dataclasses.asdict(level) for level in run.levels],
            **{name: finite.get(name) for name in ("mse", "psnr", "detail")},
            "report": run.report.to_dict() if run.report else None,
        }


def compare(
    sampler: Sampler,
    recipe: Recipe,
    methods: Sequence[Method],
    repeats: int,
    on_progress: OnProgress,
) -> list[Result]:
    """Make the recipe's picture by every method; returns the results in the methods' order.

    The first pass of a hires recipe is sampled once and shared: at its size there is nothing to
    pool. Each method is warmed up, then all take turns `repeats` times. An exception from
    `on_progress` ends the comparison.
    """
    first_steps = recipe.steps if recipe.first else 0
    total = first_steps + len(methods) * (1 + repeats * recipe.last_steps)
    done = 0

    def stage(title: str, planned: int) -> OnStep:
        nonlocal done
        before = done
        done += planned
        on_progress(title, before, total)
        # a second-order scheduler counts more steps than were set
        return lambda step, steps: on_progress(title, before + planned * step // steps, total)

    enlarged = None
    if recipe.first:
        clock = StepClock(sampler.unet, stage("First pass", first_steps))
        with clock.running():
            enlarged = sampler.first_pass(recipe, clock)
    peaks = []
    for method in methods:
        stage(f"{method.title}, warm-up", 1)
        peaks.append(warmed_up(sampler, recipe, method, enlarged))
    runs: dict[str, list[Run]] = {method.name: [] for method in methods}
    for turn in range(repeats):
        for method in methods:
            on_step = stage(f"{method.title}, {turn + 1} of {repeats}", recipe.last_steps)
            runs[method.name].append(measured(sampler, recipe, method, enlarged, on_step))
    on_progress("Done", total, total)
    results = [Result(method, runs[method.name], peak) for method, peak in zip(methods, peaks)]
    baseline = next((each for each in results if each.method.name == "baseline"), None)
    return [dataclasses.replace(result, baseline=baseline) for result in results]
