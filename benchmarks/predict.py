"""The cost model's prediction of a U-Net call's time, from counts and the machine's rates."""

from __future__ import annotations

import statistics

from benchmarks.store import Store
from lib_todo import Settings, unet_cost
from lib_todo.architectures import SHAPES
from lib_todo.plan import Grid

# channels a head, by the attention's channels
_HEADS = {
    "SD 1.x": {320: 40, 640: 80, 1280: 160},
    "SD 2.x": {320: 64, 640: 64, 1280: 64},
    "SDXL": {640: 64, 1280: 64},
}


def rates(store: Store) -> dict[str, float]:
    """Operations (bytes for elementwise) a second by workload; empty without a calibration."""
    found = {}
    for (name,), point in store.under("calibration").items():
        if point.get("seconds"):
            found[name] = point["work"] / statistics.median(point["seconds"].values())
    return found


def seconds(
    architecture: str,
    latent: Grid,
    settings: Settings | None,
    batch: int,
    itemsize: int,
    rate: dict[str, float],
) -> float:
    """Predicted seconds of one call; every operation at its kind's rate, one after another.

    Args:
        architecture: a name of SHAPES.
        latent: (height, width).
        settings: None for dense.
        itemsize: bytes of a number in the precision that the rates are of.
        rate: from `rates`.
    """
    total = 0.0
    shape = SHAPES[architecture]
    for op in unet_cost.unet_operations(shape, latent, settings, batch, itemsize=itemsize):
        if op.kind == unet_cost.ELEMENTWISE:
            total += op.bytes / rate[op.kind]
        elif op.kind == unet_cost.ATTENTION:
            width = _HEADS[architecture][op.channels]
            total += op.flops / rate[f"{op.kind} {width}"]
        else:
            total += op.flops / rate[op.kind]
    return total
