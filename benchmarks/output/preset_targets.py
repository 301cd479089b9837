"""What each preset has to reach, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.output import cells
from benchmarks.parts.samplers import SAMPLINGS
from benchmarks.peers.names import BALANCED, CLOSE, DENSE, DIFFUSERS, FAST
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio

PAPER, TOME = "ToDo nearest", "ToMe 0.75"
# by U-Net and pixels, how many times faster than dense a call has to be
SPEED_UPS: dict[str, dict[tuple[str, int], float]] = {
    BALANCED: {
        ("SD 1.x", 1024): 1.75,
        ("SD 1.x", 1536): 2.9,
        ("SD 1.x", 2048): 4.4,
        ("SDXL", 1536): 1.25,
        ("SDXL", 2048): 1.4,
    },
    FAST: {
        ("SD 1.x", 1024): 1.87,
        ("SD 1.x", 1536): 3.1,
        ("SD 1.x", 2048): 4.7,
        ("SDXL", 1024): 1.06,
        ("SDXL", 1536): 1.3,
        ("SDXL", 2048): 1.5,
    },
}
# by preset, against what its error is held, and how many times that it may be
ERRORS = {CLOSE: (PAPER, 0.12), BALANCED: (PAPER, 1.0), FAST: (TOME, 1.0)}
ERRORS_OF_FOUR = {CLOSE: (PAPER, 0.35), BALANCED: (TOME, 1.0)}
# for how many evaluations ERRORS hold with every sampler, and for how many the four's
MANY, FOUR = 8, 4
Row = list[str]


def rows(store: Store) -> list[Row]:
    """Each target that has a number: what, measured, wanted, and whether it is met."""
    return [*_speeds(store), *_errors(store), *_errors_by_sampler(store)]


def _speeds(store: Store) -> Iterator[Row]:
    calls = store.groups("unet")
    for preset, wanted in SPEED_UPS.items():
        for (architecture, side), least in wanted.items():
            methods = calls.get((DIFFUSERS, architecture, str(side)), {})
            times = [methods.get(name, {}).get("seconds") for name in (DENSE, preset)]
            if all(times):
                spread = ratio(*times)
                met = spread.median >= least
                what = f"{preset}, times faster, {architecture} at {side}²"
                yield [what, cells.times(spread), f"≥ {least:g}", _verdict(met)]


def _errors(store: Store) -> Iterator[Row]:
    native = store.conditions("quality").get("native", 0)
    for side in sorted({int(key[0]) for key in store.under("quality")}):
        points = {key[0]: point for key, point in store.under("quality", str(side)).items()}
        where = f"{side // native} times the native size"
        yield from _held_against(points, ERRORS, where)


def _errors_by_sampler(store: Store) -> Iterator[Row]:
    for side, sampling in dict.fromkeys(key[:2] for key in store.under("samplers")):
        points = {key[0]: point for key, point in store.under("samplers", side, sampling).items()}
        steps = SAMPLINGS[sampling].steps_taken
        if steps >= MANY:
            yield from _held_against(points, {BALANCED: ERRORS[BALANCED]}, sampling)
        elif steps == FOUR:
            yield from _held_against(points, ERRORS_OF_FOUR, sampling)


def _held_against(
    points: Mapping[str, dict[str, Any]],
    targets: Mapping[str, tuple[str, float]],
    where: str,
) -> Iterator[Row]:
    for preset, (other, most) in targets.items():
        ours, theirs = (points.get(name, {}).get("latent_mse") for name in (preset, other))
        if not ours or not theirs:
            continue
        seeds = min(len(ours), len(theirs))
        met = sum(ours[:seeds]) <= most * sum(theirs[:seeds])
        beside = "the paper's" if other == PAPER else f"{other}'s"
        measured = cells.ratio_of_means(ours, theirs, 2)
        yield [f"{preset}, error / {beside}, {where}", measured, f"≤ {most:g}", _verdict(met)]


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"
