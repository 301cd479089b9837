"""Models that torch.compile makes into graphs: what a traced call may read, and what guards it.

Dynamo cannot trace a `ContextVar`, and a number that moves would cost a graph for each value. So
whatever is called outside of a graph leaves texts in `here`, which is a thread's own and guarded;
steps, phases and counts are read when the operators of `pooling_in_graphs` run.

A replaced `__call__` leaves no guard in a graph: one that was made while ToDo was off would be
found again while it is on. diffusers' layers look at their module's global `inspect`, which is
guarded, so that a stand-in for it tells the graphs apart.
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
    """What a traced call reads; texts, since Dynamo makes a number that changes a variable."""

    def __init__(self) -> None:
        # guards look for the names in the instance itself
        self.plan = ""  # key of a plan, see `pooling_in_graphs`; empty: nobody asked
        self.grid = ""  # "height width" of the transformer that is called
        self.largest = ""  # the largest grid of this evaluation so far
        self.traced = False  # the transformer's call is part of the graph


here = _Here()


@contextlib.contextmanager
def without_plan() -> Iterator[None]:
    """For a call that nobody asked to pool, as far as is known yet; what held before comes back."""
    before = here.plan, here.grid, here.largest
    here.plan = ""
    try:
        yield
    finally:
        here.plan, here.grid, here.largest = before


_stand_in = types.ModuleType(inspect.__name__, inspect.__doc__)
_stand_in.__dict__.update(inspect.__dict__)


def tell_graphs_apart() -> None:
    """Have graphs from before missed, and those made from now on found again."""
    _swap(inspect, _stand_in)


def forget_graphs() -> None:
    """Undo `tell_graphs_apart`."""
    _swap(_stand_in, inspect)


def _swap(old: types.ModuleType, new: types.ModuleType) -> None:
    module = sys.modules.get("diffusers.models.attention_processor")
    if getattr(module, "inspect", None) is old:
        setattr(module, "inspect", new)  # noqa: B010  mypy knows no such attribute


def wrapper_classes() -> list[type]:
    """The class around a model that `torch.compile(model)` gives; none where nobody compiles."""
    wrapper = getattr(sys.modules.get("torch._dynamo.eval_frame"), "OptimizedModule", None)
    return [wrapper] if wrapper is not None else []


def is_tracing() -> bool:
    """Whether Dynamo traces the code that asks; a constant to its graph."""
    return _is_dynamo_compiling()


def _never() -> bool:
    return False


# PyTorch 2.1 has one function for both kinds of tracing
_is_dynamo_compiling = getattr(
    torch.compiler,
    "is_dynamo_compiling",
    getattr(torch.compiler, "is_compiling", _never),
)


# whether torch.export makes a program: its tensors have no values
is_exporting = getattr(torch.compiler, "is_exporting", _never)


def is_compiled(module: Any) -> bool:
    """Whether calling `module`, or a block of it, runs a graph instead of the class's code."""
    parts = (module, *getattr(module, "transformer_blocks", ()))
    return any(
        getattr(part, "_compiled_call_impl", None) is not None
        or hasattr(getattr(part, "forward", None), "_torchdynamo_orig_callable")
        for part in parts
    )
