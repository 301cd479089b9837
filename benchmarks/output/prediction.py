"""The cost model's prediction of a U-Net call's time, from counts and the machine's rates."""

from __future__ import annotations

from benchmarks.models.attention_backends import AUTOMATIC
from benchmarks.models.unets import head_widths
from benchmarks.parts.calibration import attention_workload
from lib_todo import Settings
from lib_todo.cost import unet as unet_cost
from lib_todo.cost.architectures import SHAPES
from lib_todo.plan import Grid


def calibrated(architecture: str, attention: str, rate: dict[str, float]) -> bool:
    """Whether there are rates for `seconds`."""
    if architecture not in SHAPES:
        return False
    widths = head_widths(architecture).values()
    return all(attention_workload(width, attention) in rate for width in widths)


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
        rate: from `calibration.rates`.
        attention: of attention_backends.NAMES.
    """
    total = 0.0
    shape, widths = SHAPES[architecture], head_widths(architecture)
    for op in unet_cost.unet_operations(shape, latent, settings, batch, itemsize=itemsize):
        if op.kind == unet_cost.ELEMENTWISE:
            total += op.bytes / rate[op.kind]
        elif op.kind == unet_cost.ATTENTION:
            width = widths[op.channels]
            total += op.flops / rate[attention_workload(width, attention)]
        else:
            total += op.flops / rate[op.kind]
    return total
