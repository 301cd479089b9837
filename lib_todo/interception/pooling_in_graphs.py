"""Pooling inside a graph of torch.compile: what is fixed in the graph, and what is not.

A layer's factor, and so every shape, is fixed when the graph is compiled. Which tokens are taken,
and what is counted, is decided each time by two operators in the graph, `pool` and `note`, so that
not every phase needs a graph of its own.

A CUDA graph (`mode="reduce-overhead"`) replays kernels and no Python: the phase would stand still,
and nothing would be counted. What is on the CPU is not recorded, so both operators are handed a
tensor there. PyTorch 2.9 and later split the graph at them, earlier ones record none of it. `note`
depends on nothing else in the graph and may run before its turn, so it is told the largest grid.
"""

from __future__ import annotations

import dataclasses
import functools
import weakref
import zlib
from typing import Any, Protocol

import torch

from ..plan import Grid, layer_factor, pooled_grid, takes_part, why_none_pooled
from ..pooling import pool_tokens
from ..position import Moment
from ..settings import Settings
from . import active

# instead of a layer's number, where one graph serves many transformers: layers are then counted off
ANY_LAYER = -1
OTHER, DENSE = "other", "dense"
_NOTHING = "nothing"
# keeps the operators out of CUDA graphs
ON_CPU = torch.zeros(1, device="cpu")
_plans: dict[str, Settings] = {}


class GraphRun(Protocol):
    """What the operators call on a run."""

    def pool_in_graph(
        self, tokens: torch.Tensor, grid: Grid, factor: float, layer: int
    ) -> torch.Tensor:
        """Pool a layer's tokens, and count the call."""

    def note_in_graph(self, grid: Grid, largest: Grid, layer: int, reason: str) -> None:
        """Count a call that is left alone."""


def plan_text(settings: Settings, moment: Moment | None) -> str:
    """The key of what a graph does: the settings, or that nothing is pooled at `moment`."""
    if moment is not None and why_none_pooled(settings, moment) is not None:
        return _NOTHING
    return _key(settings)


@functools.lru_cache(maxsize=256)
def _key(settings: Settings) -> str:
    key = repr(dataclasses.replace(settings, start=0.0, end=1.0, passes="both"))
    _plans.setdefault(key, settings)
    return key


def layer_plan(plan: str, grid: str, largest: str, tokens: str) -> str:
    """What to do with a layer over `tokens`: OTHER, DENSE, or "height width factor method"."""
    own, level = _numbers(grid), _numbers(largest)
    if own[0] * own[1] != int(tokens):
        return OTHER
    settings = _plans.get(plan)
    if settings is None:
        return DENSE
    factor = layer_factor(own, level, settings) if takes_part(own, level, settings) else 1
    if pooled_grid(own, factor) == own:
        return DENSE
    return f"{grid} {factor} {settings.method}"


def larger(one: str, other: str) -> str:
    """The grid with more tokens; an empty text has none."""
    sizes = [height * width for height, width in map(_numbers, (one, other))]
    return one if sizes[0] > sizes[1] else other


# as torch.compiler.assume_constant_result would do, which imports all of Dynamo
layer_plan._dynamo_marked_constant = True  # type: ignore[attr-defined]
larger._dynamo_marked_constant = True  # type: ignore[attr-defined]


def pool_as_program(tokens: torch.Tensor, how: str) -> torch.Tensor:
    """The pooled tokens, without an operator of ours: for exported programs."""
    grid, factor, method = _how(how)
    return pool_tokens(tokens, grid, factor, method)


def _numbers(grid: str) -> Grid:
    height, width = map(int, grid.split()) if grid else (0, 0)
    return height, width


def _how(how: str) -> tuple[Grid, float, str]:
    height, width, factor, method = how.split()
    number = float(factor)
    return (int(height), int(width)), int(number) if number.is_integer() else number, method


class LayersOfGraphs:
    """Objects that stand for the layers of graphs, which pass only a number."""

    def __init__(self) -> None:
        self._by_number: dict[int, Any] = {}
        self._by_place: weakref.WeakKeyDictionary[Any, dict[int, Any]] = weakref.WeakKeyDictionary()

    def layer(self, number: int, transformer: Any, place: int) -> Any:
        """The same object for the same layer: by its number, or by its place in a transformer."""
        if number != ANY_LAYER:
            return self._by_number.setdefault(number, _Layer())
        blocks = getattr(transformer, "transformer_blocks", ())
        if place < len(blocks) and hasattr(blocks[place], "attn1"):
            return blocks[place].attn1
        return self._by_place.setdefault(transformer, {}).setdefault(place, _Layer())


class _Layer:
    """Stands for one attention layer."""


def _run() -> Any:
    run = active.effective_run()
    return run if run is not None and run.enabled else None


def _pool(tokens: torch.Tensor, on_cpu: torch.Tensor, how: str, layer: int) -> torch.Tensor:
    run, (grid, factor, method) = _run(), _how(how)
    if run is None:
        # its `with` has been left meanwhile, but the graph's shapes stay
        return pool_tokens(tokens, grid, factor, method).contiguous()
    return run.pool_in_graph(tokens, grid, factor, layer).contiguous()


def _pool_shape(tokens: torch.Tensor, on_cpu: torch.Tensor, how: str, layer: int) -> torch.Tensor:
    grid, factor, _ = _how(how)
    height, width = pooled_grid(grid, factor)
    return tokens.new_empty(tokens.shape[0], height * width, tokens.shape[2])


def _note(on_cpu: torch.Tensor, grid: str, largest: str, layer: int, reason: str) -> None:
    run = _run()
    if run is not None:
        run.note_in_graph(_numbers(grid), _numbers(largest), layer, reason)


def _note_shape(on_cpu: torch.Tensor, grid: str, largest: str, layer: int, reason: str) -> None:
    return None


def _namespace() -> str:
    """The operators' namespace: one for each name under which the library is imported.

    Operators belong to the whole process, and two copies must not get each other's calls.
    """
    library = __name__.rpartition(".interception.")[0]
    return "todo" if library == "lib_todo" else f"todo_{zlib.crc32(library.encode()):08x}"


def _define(namespace: str) -> bool:
    """Define the operators; returns False before PyTorch 2.4, which lacks custom operators."""
    if not hasattr(torch.library, "custom_op"):
        return False
    schema = "(Tensor tokens, Tensor on_cpu, str how, int layer) -> Tensor"
    pool = torch.library.custom_op(
        f"{namespace}::pool", _pool, mutates_args=(), schema=schema, **_outside_of_cuda_graphs()
    )
    pool.register_fake(_pool_shape)
    schema = "(Tensor on_cpu, str grid, str largest, int layer, str reason) -> ()"
    note = torch.library.custom_op(f"{namespace}::note", _note, mutates_args=(), schema=schema)
    note.register_fake(_note_shape)
    if hasattr(note, "register_effect"):
        from torch._library.effects import EffectType

        # inductor removes an operator without a result, unless it has an effect
        note.register_effect(EffectType.ORDERED)
    return True


def _outside_of_cuda_graphs() -> dict[str, Any]:
    """Says it of an operator whose result is on a GPU; nothing before PyTorch 2.9."""
    tag = getattr(torch.Tag, "cudagraph_unsafe", None)
    return {} if tag is None else {"tags": (tag,)}


AVAILABLE = _define(_namespace())
operators = getattr(torch.ops, _namespace())
