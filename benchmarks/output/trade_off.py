"""Error against speed. The error is a small checkpoint's, the speed SD 1.x's, equally enlarged."""

from __future__ import annotations

import statistics

from benchmarks.peers.names import CLOSE, DENSE, DIFFUSERS, TODO, TODO_BY
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio

# the U-Net whose speed goes with the checkpoint's errors, and the size it was trained at
ARCHITECTURE, NATIVE = "SD 1.x", 512
# the prefix of methods with a moving phase; the factor follows
MOVING = "ToDo moving "
# by method, error and speed-up
Trade = dict[str, tuple[float, float]]


def enlargements(store: Store) -> list[int]:
    """The multiples of its trained size at which the checkpoint was measured."""
    native = store.conditions("quality").get("native")
    sides = {int(side) for side, _ in store.under("quality")} if native else set()
    return sorted(side // native for side in sides)


def errors(store: Store, times: int) -> dict[str, float]:
    """Mean squared error of the latents by method, at `times` the checkpoint's trained size.

    Only seeds that all methods have count.
    """
    side = times * store.conditions("quality").get("native", 0)
    found = {
        TODO if name == "ToDo nearest" else name: point["latent_mse"]
        for (name,), point in store.under("quality", str(side)).items()
        if point.get("latent_mse")
    }
    seeds = min(map(len, found.values()), default=0)
    return {name: statistics.fmean(values[:seeds]) for name, values in found.items()}


def both(store: Store, times: int) -> Trade:
    """Error and speed-up of the methods for which both were measured."""
    calls = store.groups("unet").get((DIFFUSERS, ARCHITECTURE, str(times * NATIVE)), {})
    base = calls.get(DENSE, {}).get("seconds")
    found = {}
    for name, error in errors(store, times).items():
        point = calls.get(name) or calls.get(_timed_as(name, times), {})
        if base and point.get("seconds"):
            found[name] = error, ratio(base, point["seconds"]).median
    return found


def _timed_as(name: str, times: int) -> str:
    """The method whose calls take equally long: a moving phase costs nothing."""
    if name == CLOSE:
        # the paper's factors
        return TODO
    if not name.startswith(MOVING):
        return name
    factor = int(name.removeprefix(MOVING))
    return TODO if factor == times else f"ToDo factor {factor}"


def curves(trade: Trade) -> dict[str, list[str]]:
    """The paper's ToDo with several factors, without and with a moving phase; the slowest first."""
    lines = {
        "the paper's, by factor": [TODO, *TODO_BY],
        "the same factors, moving": [name for name in trade if name.startswith(MOVING)],
    }
    return {
        label: sorted((name for name in names if name in trade), key=lambda name: trade[name][1])
        for label, names in lines.items()
    }
