"""Calls that Dynamo traces. Only code that it can trace: `compiled.here` and the operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..reasons import Reason
from . import contexts, vetoes
from . import pooling_in_graphs as graphs
from .compiled import here, is_exporting
from .families import Family


def call_transformer(original: Callable, self: Any, x: Any, args: tuple, kwargs: dict) -> Any:
    """Call a spatial transformer over `x` as a part of the graph."""
    before, traced = here.grid, here.traced
    here.grid = f"{x.shape[2]} {x.shape[3]}" if isinstance(x, torch.Tensor) and x.ndim == 4 else ""
    here.traced = True
    try:
        return original(self, *args, **kwargs)
    finally:
        here.grid, here.traced = before, traced


def arguments_for(family: Family, layer: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments to call the attention `layer` with, as a part of the graph."""
    plan, grid = here.plan, here.grid
    if not graphs.AVAILABLE or plan == "" or grid == "":
        return args, kwargs
    given = dict(zip(family.parameters, args), **kwargs)
    x: Any = given.get(family.parameters[0])
    context: Any = given.get(family.parameters[1])
    if not isinstance(x, torch.Tensor) or x.ndim != 3 or not (context is None or context is x):
        return args, kwargs
    largest = graphs.larger(here.largest, grid)
    how = graphs.layer_plan(plan, grid, largest, f"{x.shape[1]}")
    if how == graphs.OTHER:
        return args, kwargs
    if here.traced:
        here.largest = largest
    number = id(layer) if here.traced else graphs.ANY_LAYER
    reason = _why_not(family, layer, given)
    if is_exporting():
        if how == graphs.DENSE or reason is not None:
            return args, kwargs
        pooled = graphs.pool_as_program(x, how)
    elif how == graphs.DENSE or reason is not None:
        graphs.operators.note(
            graphs.ON_CPU, grid, largest, number, "" if reason is None else reason.value
        )
        return args, kwargs
    else:
        pooled = graphs.operators.pool(x, graphs.ON_CPU, how, number)
    changed = {family.parameters[1]: pooled}
    if given.get("value") is not None:
        changed["value"] = pooled
    return contexts.with_changed(family, args, kwargs, changed)


def _why_not(family: Family, layer: Any, given: dict[str, Any]) -> Reason | None:
    value: Any = given.get("value")
    if value is not None and value is not given[family.parameters[0]]:
        return Reason.OTHER_VALUES
    reason = vetoes.first(layer, before_the_rule=True)
    if reason is None:
        reason = vetoes.first(layer)
    return contexts.why_keys_are_not_ours(family, layer, given) if reason is None else reason
