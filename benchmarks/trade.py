"""Error beside speed: the one of a checkpoint, the other of SD 1.x, as many times enlarged."""

from __future__ import annotations

import statistics
from collections.abc import Collection

from benchmarks.peers import DENSE, DIFFUSERS, TODO, TODO_BY
from benchmarks.store import Store
from benchmarks.timing import ratio

# whose calls are held against the checkpoint's errors, and its own size in pixels
ARCHITECTURE, NATIVE = "SD 1.x", 512
# ours, from the smallest factor on
OURS = (TODO, *TODO_BY)
# by method, error and speed-up
Trade = dict[str, tuple[float, float]]


def enlargements(store: Store) -> list[int]:
    """How many times its own size the checkpoint was measured at."""
    native = store.conditions("quality").get("native")
    sides = {int(side) for side, _ in store.under("quality")} if native else set()
    return sorted(side // native for side in sides)


def errors(store: Store, times: int) -> dict[str, float]:
    """Mean squared error of the latents by method, at `times` the checkpoint's own size."""
    side = times * store.conditions("quality").get("native", 0)
    return {
        TODO if name == "ToDo nearest" else name: statistics.fmean(point["latent_mse"])
        for (name,), point in store.under("quality", str(side)).items()
        if point.get("latent_mse")
    }


def as_close(peer: str, error: dict[str, float], among: Collection[str]) -> str | None:
    """Of ours that are among those the one by the greatest factor that errs no more than the peer.

    Args:
        error: by method, the peer's too.
    """
    close = [
        name for name in OURS if name in among and name in error and error[name] <= error[peer]
    ]
    return close[-1] if close else None


def both(store: Store, times: int) -> Trade:
    """The methods of which both were measured."""
    calls = store.groups("unet").get((DIFFUSERS, ARCHITECTURE, str(times * NATIVE)), {})
    base = calls.get(DENSE, {}).get("seconds")
    return {
        name: (error, ratio(base, calls[name]["seconds"]).median)
        for name, error in errors(store, times).items()
        if base and calls.get(name, {}).get("seconds")
    }
