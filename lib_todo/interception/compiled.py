"""torch.compile: what a traced call may read, and what makes Dynamo compile a new graph.

Dynamo cannot trace a `ContextVar`, and a changing number would cost a graph for each value. So code
outside of the graph leaves texts in `here`, which belongs to the thread and is guarded. Steps,
phases and counts are read by the operators of `pooling_in_graphs` when they run.

Dynamo does not guard `__call__`: a graph compiled while ToDo was off would be used again while it
is on. `own_graphs` keeps the two kinds apart.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import torch


class _Here(threading.local):
    """What a traced call reads. Texts, since Dynamo turns a number that changes into a variable."""

    def __init__(self) -> None:
        # set on the instance, where guards look for the names
        self.plan = ""  # key of a plan, see `pooling_in_graphs`; empty: no run applies
        self.grid = ""  # "height width" of the transformer being called
        self.largest = ""  # the largest grid of this evaluation so far
        self.traced = False  # the transformer's call is part of the graph


here = _Here()


@contextlib.contextmanager
def without_plan() -> Iterator[None]:
    """Around a call to which no run applies so far; the earlier values are restored afterwards."""
    before = here.plan, here.grid, here.largest
    here.plan = ""
    try:
        yield
    finally:
        here.plan, here.grid, here.largest = before


# a device whose autocast no program switches on: PyTorch runs on no IPU any more
_UNUSED_DEVICE = "ipu"
# before PyTorch 2.4 autocast takes no device, and nothing is pooled inside a graph either
_TELLS_GRAPHS_APART = hasattr(torch, "get_autocast_dtype")


@contextlib.contextmanager
def own_graphs() -> Iterator[None]:
    """Around a call to which a run applies: Dynamo ignores graphs that were compiled without one.

    Autocast for a device that is not there is on inside. Which devices have it on is among the
    guards of every graph, whatever its code reads.
    """
    if not _TELLS_GRAPHS_APART:
        yield
        return
    before = torch.is_autocast_enabled(_UNUSED_DEVICE)
    torch.set_autocast_enabled(_UNUSED_DEVICE, True)
    try:
        yield
    finally:
        torch.set_autocast_enabled(_UNUSED_DEVICE, before)


def wrapper_classes() -> list[type]:
    """The class of what `torch.compile(model)` returns; empty if nothing was compiled yet."""
    wrapper = getattr(sys.modules.get("torch._dynamo.eval_frame"), "OptimizedModule", None)
    return [wrapper] if wrapper is not None else []


def is_tracing() -> bool:
    """Whether Dynamo is tracing the caller's code; a constant in its graph."""
    return _is_dynamo_compiling()


def _never() -> bool:
    return False


# PyTorch 2.1 has one function for both kinds of tracing
_is_dynamo_compiling = getattr(
    torch.compiler,
    "is_dynamo_compiling",
    getattr(torch.compiler, "is_compiling", _never),
)


_is_exporting = getattr(torch.compiler, "is_exporting", _never)


def is_exporting() -> bool:
    """Whether torch.export is tracing: its tensors have no values. A constant in a graph."""
    return bool(_is_exporting())


# called while tracing and not traced: before PyTorch 2.12, Dynamo took the answer for True always
is_exporting._dynamo_marked_constant = True  # type: ignore[attr-defined]


def is_compiled(module: Any) -> bool:
    """Whether calling `module`, or a module in it, runs a graph instead of the class's code."""
    return any(
        getattr(part, "_compiled_call_impl", None) is not None
        or hasattr(getattr(part, "forward", None), "_torchdynamo_orig_callable")
        for part in module.modules()
    )
