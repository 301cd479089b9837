"""Four rates that say how fast a machine runs a U-Net, measured in a few seconds."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence

import torch

from . import workloads
from .workloads import Workload

ROUNDS = 3
# channels per head in SD 1.x's largest layers, and in SDXL's
NARROW, WIDE = 40, 64


@dataclasses.dataclass(frozen=True)
class Rates:
    """Operations a second of matrix products and of attention, and bytes a second moved.

    `narrow_attention` is for heads of fewer than WIDE channels, which use the hardware less well.
    `itemsize` is the bytes per number in the precision that was measured.
    """

    products: float
    attention: float
    narrow_attention: float
    bytes: float
    itemsize: int

    def attention_of(self, head_width: int) -> float:
        """The rate of attention with that many channels per head."""
        return self.attention if head_width >= WIDE else self.narrow_attention


def measure(device: torch.device, dtype: torch.dtype) -> Rates:
    """Measure the rates: under a second on a GPU, several seconds on a CPU."""
    with torch.inference_mode():
        like = {"device": device, "dtype": dtype}
        products = [*workloads.linear(**like), *workloads.convolution(**like)]
        return Rates(
            products=_rate(products, device),
            attention=_rate(workloads.attention(WIDE, **like), device),
            narrow_attention=_rate(workloads.attention(NARROW, **like), device),
            bytes=_rate(workloads.moves(**like), device),
            itemsize=torch.empty(0, dtype=dtype).element_size(),
        )


def _rate(work: Sequence[Workload], device: torch.device) -> float:
    _seconds(work, device)
    seconds = statistics.median(_seconds(work, device) for _ in range(ROUNDS))
    return sum(amount for _, amount in work) / seconds


def _seconds(work: Sequence[Workload], device: torch.device) -> float:
    # on a CPU only this process's time: other processes slow all kinds of work alike
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    _wait(device)
    start = clock()
    for call, _ in work:
        call()
    _wait(device)
    return clock() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
