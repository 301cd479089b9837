"""The machine's rates: operations a second by kind, from a few real shapes in some seconds."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.models import attention_backends
from benchmarks.models.attention_backends import AUTOMATIC
from benchmarks.models.unets import head_widths
from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from lib_todo.cost import unet as unet_cost
from lib_todo.cost.architectures import SHAPES

# channels a head, of all architectures
HEAD_WIDTHS = sorted({width for name in SHAPES for width in head_widths(name).values()})


def _linear(rows: int, inputs: int, outputs: int, **like: Any) -> tuple[Callable, int]:
    x = torch.randn(rows, inputs, **like)
    weight, bias = torch.randn(outputs, inputs, **like), torch.randn(outputs, **like)
    return lambda: F.linear(x, weight, bias), 2 * rows * inputs * outputs


def _convolution(side: int, channels: int, **like: Any) -> tuple[Callable, int]:
    x = torch.randn(1, channels, side, side, **like)
    weight, bias = torch.randn(channels, channels, 3, 3, **like), torch.randn(channels, **like)
    return lambda: F.conv2d(x, weight, bias, padding=1), 2 * 9 * side**2 * channels**2


def _attention(queries: int, keys: int, width: int, **like: Any) -> tuple[Callable, int]:
    # the memory layout in which U-Nets pass them
    heads = 8
    parts = [torch.randn(1, n, heads, width, **like).transpose(1, 2) for n in (queries, keys, keys)]
    operations = 4 * heads * queries * keys * width
    return lambda: F.scaled_dot_product_attention(*parts), operations


def _elementwise(side: int, channels: int, **like: Any) -> tuple[Callable, int]:
    """One of each pass that the cost model counts, and their bytes."""
    image = torch.randn(1, channels, side, side, **like)
    tokens = torch.randn(1, side * side, channels, **like)
    wide = torch.randn(1, side * side, 8 * channels, **like)

    def run() -> None:
        F.silu(F.group_norm(image, 32)) + image
        F.layer_norm(tokens, (channels,)) + tokens
        left, right = wide.chunk(2, dim=-1)
        left * F.gelu(right)

    passes = 3 + 2 + 3 + 3 + 3 + 20
    return run, passes * image.numel() * image.element_size()


def _workloads(like: dict[str, Any]) -> dict[str, list[tuple[Callable, int]]]:
    """By name, calls with their operations (bytes for elementwise)."""
    work = {
        unet_cost.LINEAR: [
            _linear(9216, 320, 2560, **like),
            _linear(9216, 1280, 320, **like),
            _linear(2304, 640, 640, **like),
            _linear(576, 1280, 10240, **like),
        ],
        unet_cost.CONVOLUTION: [
            _convolution(96, 320, **like),
            _convolution(48, 640, **like),
            _convolution(24, 1280, **like),
        ],
        unet_cost.ELEMENTWISE: [_elementwise(96, 320, **like), _elementwise(48, 640, **like)],
    }
    for width, attention in itertools.product(
        HEAD_WIDTHS, attention_backends.for_whole_models(**like)
    ):
        call, operations = _attention(4096, 4096, width, **like)
        name = attention_workload(width, attention)
        work[name] = [(_by(attention, call), operations)]
    return work


def _by(attention: str, call: Callable) -> Callable:
    def run() -> None:
        with attention_backends.using(attention):
            call()

    return run


def measure(bench: Bench) -> None:
    """Seconds of each kind's workloads, with their operations or bytes beside them."""
    work = _workloads({"device": bench.device, "dtype": bench.dtype})

    def run_all(calls: list[tuple[Callable, int]]) -> Callable[[], None]:
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
        attention: of attention_backends.NAMES.
    """
    name = f"{unet_cost.ATTENTION} {width}"
    return name if attention == AUTOMATIC else f"{name}, {attention}"
