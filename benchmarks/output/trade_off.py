"""Error beside speed: the one of a checkpoint, the other of SD 1.x, as many times enlarged."""

from __future__ import annotations

import statistics
from collections.abc import Collection

from benchmarks.peers.names import DENSE, DIFFUSERS, PRESETS, TODO, TODO_BY
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio

# whose calls are held against the checkpoint's errors, and its own size in pixels
ARCHITECTURE, NATIVE = "SD 1.x", 512
OURS = (TODO, *PRESETS, *TODO_BY)
# what the names of a moving phase's methods start with; the factor follows
MOVING = "ToDo moving "
# by method, error and speed-up
Trade = dict[str, tuple[float, float]]


def enlargements(store: Store) -> list[int]:
    """How many times its own size the checkpoint was measured at."""
    native = store.conditions("quality").get("native")
    sides = {int(side) for side, _ in store.under("quality")} if native else set()
    return sorted(side // native for side in sides)


def errors(store: Store, times: int) -> dict[str, float]:
    """Mean squared error of the latents by method, at `times` the checkpoint's own size.

    Of the seeds that all of them have.
    """
    side = times * store.conditions("quality").get("native", 0)
    found = {
        TODO if name == "ToDo nearest" else name: point["latent_mse"]
        for (name,), point in store.under("quality", str(side)).items()
        if point.get("latent_mse")
    }
    seeds = min(map(len, found.values()), default=0)
    return {name: statistics.fmean(values[:seeds]) for name, values in found.items()}


def as_close(peer: str, error: dict[str, float], among: Collection[str]) -> str | None:
    """Of ours that are among those, the one that errs most, but no more than the peer.

    Args:
        error: by method; without the peer's none is as close.
    """
    close = [
        name
        for name in OURS
        if name in among and name in error and error[name] <= error.get(peer, -1)
    ]
    return max(close, key=error.__getitem__, default=None)


def timed_as(name: str, times: int) -> str:
    """The method whose calls take as long: a phase that moves costs nothing."""
    if not name.startswith(MOVING):
        return name
    factor = int(name.removeprefix(MOVING))
    return TODO if factor == times else f"ToDo factor {factor}"


def both(store: Store, times: int) -> Trade:
    """The methods of which both were measured."""
    calls = store.groups("unet").get((DIFFUSERS, ARCHITECTURE, str(times * NATIVE)), {})
    base = calls.get(DENSE, {}).get("seconds")
    found = {}
    for name, error in errors(store, times).items():
        seconds = calls.get(timed_as(name, times), {}).get("seconds")
        if base and seconds:
            found[name] = error, ratio(base, seconds).median
    return found


def curves(trade: Trade, times: int) -> dict[str, list[str]]:
    """The paper's ToDo by several factors, and the same with a moving phase; by rising speed."""
    lines = {
        "the paper's, by factor": [TODO, *TODO_BY],
        "the same factors, moving": [name for name in trade if name.startswith(MOVING)],
    }
    return {
        label: sorted((name for name in names if name in trade), key=lambda name: trade[name][1])
        for label, names in lines.items()
    }
