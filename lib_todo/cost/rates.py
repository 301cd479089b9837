"""How fast a machine runs a U-Net's operations: measured, or for a range where it was not."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from . import workloads
from .workloads import Attend, Workload

ROUNDS = 3
# channels per head: SD 1.x's three levels, and SDXL's and SD 2.x's everywhere
HEAD_WIDTHS = (40, 64, 80, 160)


@dataclasses.dataclass(frozen=True)
class Rates:
    """Operations a second of matrix products and of attention, and bytes a second moved.

    `attention` is by channels per head, since few of them use the hardware less well. `launch` is
    the seconds that Python takes to begin an operation, while a GPU works on those before; 0 on a
    CPU, where it is nothing beside the work. `itemsize` is the bytes per number in the precision.
    """

    products: float
    attention: Mapping[int, float]
    bytes: float
    launch: float
    itemsize: int

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Rates:
        """What `dataclasses.asdict` made, after a way through JSON."""
        attention = {int(width): float(rate) for width, rate in kept["attention"].items()}
        return cls(**{**kept, "attention": attention})

    def attention_of(self, head_width: int) -> float:
        """The rate of attention with about that many channels per head."""
        return self.attention[min(self.attention, key=lambda width: abs(width - head_width))]


def typical(device_type: str) -> tuple[Rates, Rates]:
    """Two machines that others lie between: what is promised before a measurement is a range.

    On CPUs an operation in attention takes one to three times as long as one in a matrix product.
    Of GPUs the first is faster than most programs that launch its kernels, the second slower. All
    of docs/measurements lies between the two, which tests/unit/cost/test_speedup.py checks.
    """
    if device_type == "cpu":
        return Rates(50e9, {64: 50e9}, 1e9, 0, 4), Rates(50e9, {64: 50e9 / 3}, 1e9, 0, 4)
    fast = Rates(650e12, {64: 650e12}, 1.9e12, 75e-6, 2)
    return fast, Rates(40e12, {40: 25e12, 64: 40e12}, 0.8e12, 0, 2)


def measure(
    device: torch.device, dtype: torch.dtype, attend: Attend = workloads.fused_attention
) -> Rates:
    """Measure the rates: about a second on a GPU, several on a CPU.

    Args:
        device: where.
        dtype: the precision.
        attend: the host's attention, see workloads.attention.
    """
    like = {"device": device, "dtype": dtype}
    with torch.inference_mode():
        return Rates(
            products=_rate([*workloads.linear(**like), *workloads.convolution(**like)], device),
            attention={
                width: _rate(workloads.attention(width, attend, **like), device)
                for width in HEAD_WIDTHS
            },
            bytes=_rate(workloads.moves(**like), device),
            launch=0 if device.type == "cpu" else _launch(**like),
            itemsize=torch.empty(0, dtype=dtype).element_size(),
        )


def _rate(work: Sequence[Workload], device: torch.device) -> float:
    def run() -> None:
        for call, _ in work:
            call()

    run()
    return sum(amount for _, amount in work) / _seconds(run, device, ROUNDS)


def _launch(**like: Any) -> float:
    """Seconds of Python for one operation as the cost model counts them."""
    call, operations = workloads.launching(**like)
    call()
    return _seconds(call, like["device"], 10 * ROUNDS, waits=False) / operations


def _seconds(
    call: Callable[[], Any], device: torch.device, rounds: int, waits: bool = True
) -> float:
    """The median; `waits`: until a GPU is done, not only until it has been told what to do."""
    # on a CPU only this process's time: other processes slow all kinds of work alike
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times = []
    for _ in range(rounds):
        _wait(device)
        start = clock()
        call()
        if waits:
            _wait(device)
        times.append(clock() - start)
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
