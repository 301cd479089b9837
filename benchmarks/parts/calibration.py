"""The machine's rates, operations per second by kind, measured with a few real shapes."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.models import attention_backends
from benchmarks.models.attention_backends import AUTOMATIC
from benchmarks.models.unets import head_widths
from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from lib_todo.cost import unet as unet_cost
from lib_todo.cost import workloads
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.rates import Rates
from lib_todo.cost.workloads import Workload

# channels per head of all architectures
HEAD_WIDTHS = sorted({width for name in SHAPES for width in head_widths(name).values()})


def _workloads(like: dict[str, Any]) -> dict[str, list[Workload]]:
    """Calls by name, with their number of operations (of bytes for elementwise)."""
    work = {
        unet_cost.LINEAR: workloads.linear(**like),
        unet_cost.CONVOLUTION: workloads.convolution(**like),
        unet_cost.ELEMENTWISE: workloads.moves(**like),
    }
    for width, attention in itertools.product(
        HEAD_WIDTHS, attention_backends.for_whole_models(**like)
    ):
        work[attention_workload(width, attention)] = [
            (_by(attention, call), operations)
            for call, operations in workloads.attention(width, **like)
        ]
    return work


def _by(attention: str, call: Callable) -> Callable:
    def run() -> None:
        with attention_backends.using(attention):
            call()

    return run


def measure(bench: Bench) -> None:
    """Time the workloads of each kind; their operations or bytes are stored with the seconds."""
    work = _workloads({"device": bench.device, "dtype": bench.dtype})

    def run_all(calls: list[Workload]) -> Callable[[], None]:
        def run() -> None:
            for call, _ in calls:
                call()

        return run

    methods = {}
    for name, calls in work.items():
        run_all(calls)()
        bench.store.point("calibration", name)["work"] = sum(amount for _, amount in calls)
        methods[name] = lambda calls=calls: contextlib.nullcontext(run_all(calls))
    bench.interleave(("calibration",), methods)


def rates(store: Store, attention: str = AUTOMATIC) -> Rates | None:
    """The calibration as the cost model has it; None without one.

    Args:
        store: the results.
        attention: of attention_backends.NAMES.
    """
    work, seconds = {}, {}
    for (name,), point in store.under("calibration").items():
        if point.get("seconds"):
            work[name] = point["work"]
            seconds[name] = statistics.median(point["seconds"].values())

    def rate(*names: str) -> float:
        return sum(work[name] for name in names) / sum(seconds[name] for name in names)

    by_width = {width: attention_workload(width, attention) for width in HEAD_WIDTHS}
    try:
        return Rates(
            products=rate(unet_cost.LINEAR, unet_cost.CONVOLUTION),
            attention={width: rate(name) for width, name in by_width.items() if name in work},
            bytes=rate(unet_cost.ELEMENTWISE),
            launch=0,
            itemsize=getattr(torch, store.data["machine"]["precision"]).itemsize,
        )
    except KeyError:
        return None


def attention_workload(width: int, attention: str) -> str:
    """The calibration's name for attention with that many channels per head.

    Args:
        attention: of attention_backends.NAMES.
    """
    name = f"{unet_cost.ATTENTION} {width}"
    return name if attention == AUTOMATIC else f"{name}, {attention}"
