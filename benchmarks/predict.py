"""The cost model's prediction of a U-Net call's time, from counts and the machine's rates."""

from __future__ import annotations

import statistics

from benchmarks.attentions import AUTOMATIC
from benchmarks.store import Store
from lib_todo import Settings
from lib_todo.cost import unet as unet_cost
from lib_todo.cost.architectures import SHAPES
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


def attention_workload(width: int, attention: str) -> str:
    """The calibration's name for an attention of that many channels a head.

    Args:
        attention: of attentions.NAMES.
    """
    name = f"{unet_cost.ATTENTION} {width}"
    return name if attention == AUTOMATIC else f"{name}, {attention}"


def calibrated(architecture: str, attention: str, rate: dict[str, float]) -> bool:
    """Whether there are rates for `seconds`."""
    widths = set(_HEADS.get(architecture, {}).values())
    return bool(widths) and all(attention_workload(width, attention) in rate for width in widths)


def seconds(
    architecture: str,
    latent: Grid,
    settings: Settings | None,
    batch: int,
    itemsize: int,
    rate: dict[str, float],
    attention: str = AUTOMATIC,
) -> float:
    """Predicted seconds of one call; every operation at its kind's rate, one after another.

    Args:
        architecture: a name of SHAPES.
        latent: (height, width).
        settings: None for dense.
        itemsize: bytes of a number in the precision that the rates are of.
        rate: from `rates`.
        attention: of attentions.NAMES.
    """
    total = 0.0
    shape = SHAPES[architecture]
    for op in unet_cost.unet_operations(shape, latent, settings, batch, itemsize=itemsize):
        if op.kind == unet_cost.ELEMENTWISE:
            total += op.bytes / rate[op.kind]
        elif op.kind == unet_cost.ATTENTION:
            width = _HEADS[architecture][op.channels]
            total += op.flops / rate[attention_workload(width, attention)]
        else:
            total += op.flops / rate[op.kind]
    return total
