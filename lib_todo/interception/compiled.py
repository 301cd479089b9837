"""torch.compile: what a traced call may read, and what makes Dynamo compile a new graph.

Dynamo cannot trace a `ContextVar`, and a changing number would cost a graph for each value. So code
outside of the graph leaves texts in `here`, which belongs to the thread and is guarded. Steps,
phases and counts are read by the operators of `pooling_in_graphs` when they run.

Dynamo does not guard `__call__`: a graph compiled while ToDo was off would be used again while it
is on. But it does guard the global `inspect` of diffusers' attention module. Replacing that by a
copy keeps the two kinds of graph apart.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
import types
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


_stand_in = types.ModuleType(inspect.__name__, inspect.__doc__)
_stand_in.__dict__.update(inspect.__dict__)


def tell_graphs_apart() -> None:
    """Make Dynamo ignore graphs compiled without ToDo, and find those compiled with it."""
    _swap(inspect, _stand_in)


def forget_graphs() -> None:
    """Undo `tell_graphs_apart`."""
    _swap(_stand_in, inspect)


def _swap(old: types.ModuleType, new: types.ModuleType) -> None:
    module = sys.modules.get("diffusers.models.attention_processor")
    if getattr(module, "inspect", None) is old:
        setattr(module, "inspect", new)  # noqa: B010  mypy knows no such attribute


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


# whether torch.export is tracing: its tensors have no values
is_exporting = getattr(torch.compiler, "is_exporting", _never)


def is_compiled(module: Any) -> bool:
    """Whether calling `module`, or a block of it, runs a graph instead of the class's code."""
    parts = (module, *getattr(module, "transformer_blocks", ()))
    return any(
        getattr(part, "_compiled_call_impl", None) is not None
        or hasattr(getattr(part, "forward", None), "_torchdynamo_orig_callable")
        for part in parts
    )
