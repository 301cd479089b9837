"""torch.compile: what traced calls read, and how calls in a graph are counted.

In a graph, a layer's factor and every shape are fixed. Which tokens are taken is data: the index
that `here.plans` or `here.pooling` holds is an input of the graph, so one graph serves every phase.
What else traced code reads are texts, since Dynamo turns a number that changes into a variable and
cannot read a `ContextVar`.

No Python of ours runs in a graph, so its layers are counted when the model's call ends, by what was
noted while the graph was traced. `enter_own` keeps graphs that were compiled without ToDo apart:
Dynamo does not guard `__call__`, and would use them again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from .active import here
from .cut import by_name, why_not, with_pooled
from .families import Family

# a device whose autocast no program switches on: PyTorch runs on no IPU any more. Which devices
# have it on is among the guards of every graph. Before PyTorch 2.4 autocast takes no device
_UNUSED_DEVICE = "ipu"
AVAILABLE = hasattr(torch, "get_autocast_dtype")
# the texts of poolings by which layers in graphs of single blocks were seen to take their tokens
traced_layers: set[str] = set()

# PyTorch 2.1 has one function for both kinds of tracing. Whether Dynamo is tracing the caller's
# code is a constant in its graph
_is_tracing = getattr(torch.compiler, "is_compiling", lambda: False)
is_tracing: Callable[[], bool] = getattr(torch.compiler, "is_dynamo_compiling", _is_tracing)


def enter_own() -> bool | None:
    """Before a call to which a run applies: have Dynamo ignore graphs compiled without one."""
    if not AVAILABLE or "torch._dynamo" not in sys.modules:
        return None
    before = torch.is_autocast_enabled(_UNUSED_DEVICE)
    torch.set_autocast_enabled(_UNUSED_DEVICE, True)
    return before


def leave_own(before: bool | None) -> None:
    """Undo `enter_own`."""
    if before is not None:
        torch.set_autocast_enabled(_UNUSED_DEVICE, before)


def wrapper_classes() -> list[type]:
    """The class of what `torch.compile(model)` returns; empty if nothing was compiled yet."""
    wrapper = getattr(sys.modules.get("torch._dynamo.eval_frame"), "OptimizedModule", None)
    return [wrapper] if wrapper is not None else []


def is_compiled(module: Any) -> bool:
    """Whether calling `module` itself runs a graph instead of the class's code."""
    return "torch._dynamo" in sys.modules and (
        getattr(module, "_compiled_call_impl", None) is not None
        or hasattr(vars(module).get("forward"), "_torchdynamo_orig_callable")
        # what `torch.compile(module)` returns
        or "_orig_mod" in module._modules
    )


def _as_constant(function: Callable) -> Callable:
    """As torch.compiler.assume_constant_result, which would import all of Dynamo."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


@_as_constant
def _see_transformer(transformer: int, grid: str, largest: str) -> str:
    """Note a transformer in the graph that is being traced; the largest grid so far with it."""
    graph = here.call.graph if here.call else None
    return graph.see(transformer, grid, largest) if graph else largest


@_as_constant
def _see_layer(what: str) -> str:
    traced_layers.add(what)
    return what


def call_transformer(original: Callable, self: Any, x: Any, args: tuple, kwargs: dict) -> Any:
    """Call a spatial transformer over `x` as a part of the graph."""
    plans, before = here.plans, here.pooling
    if plans is not None and isinstance(x, torch.Tensor) and x.ndim == 4:
        grid = f"{x.shape[2]} {x.shape[3]}"
        here.largest = _see_transformer(id(self), grid, here.largest)
        is_refused = f" {id(self)} " in here.refused
        here.pooling = None if is_refused else plans.get(f"{here.largest} {grid}")
    try:
        return original(self, *args, **kwargs)
    finally:
        here.pooling = before


def call_attention(
    original: Callable, family: Family, layer: Any, args: tuple, kwargs: dict
) -> Any:
    """Call an attention layer as a part of the graph; see `Cut.call`."""
    pooling = here.pooling
    if pooling is None:
        return original(layer, *args, **kwargs)
    x, given = by_name(family, args, kwargs)
    context = given.get(family.parameters[1])
    is_tokens = isinstance(x, torch.Tensor) and x.ndim == 3 and x.shape[1] == pooling.tokens
    if not is_tokens or not (context is None or context is x):
        return original(layer, *args, **kwargs)
    if why_not(family, layer, x, given) is not None:
        return original(layer, *args, **kwargs)
    _see_layer(pooling.text)
    args, kwargs = with_pooled(family, args, kwargs, x, given.get("value"), pooling)
    return original(layer, *args, **kwargs)
