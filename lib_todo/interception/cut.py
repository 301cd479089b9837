"""One call of a spatial transformer: what its self-attention layers take instead of all tokens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from ..counts import Noted
from ..phase import PhaseCounter
from ..pooling import Pooling
from ..reasons import Reason
from ..report import Report
from . import signs
from .families import Family


def self_attention_of(transformer: Any) -> list[Any]:
    """The attention layers of a transformer that attend to the image's own tokens, in order.

    The first one of each block, unless it is told to look at the prompt; and diffusers' second one
    where it has no prompt (`double_self_attention`). Not those over the frames of a video.
    """
    layers = []
    for block in getattr(transformer, "transformer_blocks", ()):
        first, second = getattr(block, "attn1", None), getattr(block, "attn2", None)
        own = block.__dict__
        looks_elsewhere = own.get("only_cross_attention") or own.get("disable_self_attn")
        if first is not None and not looks_elsewhere:
            layers.append(first)
        if second is not None and second.__dict__.get("is_cross_attention") is False:
            layers.append(second)
    return layers


class Layers:
    """The self-attention layers of one transformer.

    Attributes:
        phases: counts the transformer's steps.
        numbers: each layer's number in the report, by the module's id.
        obeys: by id, whether a layer was seen to compute its keys from what it is given.
        are_stale: whether they have to be looked for again.
    """

    def __init__(self, transformer: Any, report: Report, phases: PhaseCounter) -> None:
        layers = self_attention_of(transformer)
        self.phases = phases
        self.numbers = dict(zip(map(id, layers), report.numbers(transformer, len(layers))))
        self.obeys: dict[int, bool] = {}
        self.are_stale = False


class Cut:
    """What the self-attention layers of one transformer's call take.

    Args:
        family: the transformer's.
        layers: its self-attention layers; what is seen of them is noted there.
        pooling: which of the grid's tokens they take.
        noted: the numbers of layers called, by what happened to them; added to.
    """

    def __init__(self, family: Family, layers: Layers, pooling: Pooling, noted: Noted) -> None:
        self.family, self.pooling = family, pooling
        self.layers, self.numbers, self._noted = layers, layers.numbers, noted
        # what nearly all become
        self._pooled = noted[pooling.grid, pooling.tokens, pooling.kept, None]
        self._called: list[int] = []

    def not_called(self) -> list[int]:
        """The layers that were not called as Python."""
        called = set(self._called)
        return [number for number in self.numbers.values() if number not in called]

    def call(self, original: Callable, layer: Any, args: tuple, kwargs: dict) -> Any:
        """Call one of the layers by `original`, with pooled tokens for its context if possible."""
        pooling, number = self.pooling, self.numbers[id(layer)]
        self._called.append(number)
        x, given = (args[0], kwargs) if len(args) == 1 else by_name(self.family, args, kwargs)
        context = given.get(self.family.parameters[1])
        shape: Any = x.shape if isinstance(x, torch.Tensor) else ()
        grids = 0
        if len(shape) == 3 and shape[1] == pooling.tokens:
            grids = 1 if context is None or context is x else _grids(shape, context)
        elif len(shape) == 3:
            self._leave(number, int(shape[1]), Reason.OTHER_GRID)
        if not grids:
            # it has other tokens, or attends to something else in this call
            return original(layer, *args, **kwargs)
        obeys = self.layers.obeys.get(id(layer))
        source = x if context is None else context
        reason = why_not(self.family, layer, source, given)
        if reason is None and obeys is False:
            reason = Reason.KEYS_IGNORED
        if reason is not None:
            self._leave(number, grids * pooling.tokens, reason)
            return original(layer, *args, **kwargs)
        value = given.get("value")
        args, kwargs = with_pooled(self.family, args, kwargs, source, value, pooling)
        has_keys = obeys is None and isinstance(getattr(layer, "to_k", None), nn.Module)
        # under jit.trace the hook would be traced
        if has_keys and not torch.jit.is_tracing():
            with self._watched(layer, number, grids):
                return original(layer, *args, **kwargs)
        if grids == 1:
            self._pooled.append(number)
        else:
            self._pool(number, grids)
        return original(layer, *args, **kwargs)

    def _pool(self, number: int, grids: int) -> None:
        tokens, kept = grids * self.pooling.tokens, grids * self.pooling.kept
        self._noted[self.pooling.grid, tokens, kept, None].append(number)

    def _leave(self, number: int, keys: int, reason: Reason) -> None:
        self._noted[self.pooling.grid, keys, keys, reason].append(number)

    @contextlib.contextmanager
    def _watched(self, layer: Any, number: int, grids: int) -> Iterator[None]:
        """Around a layer's first pooled call: count it by how many keys it really computes."""
        keys: list[int] = []
        thread = threading.get_ident()

        def see(_: nn.Module, inputs: tuple) -> None:
            if threading.get_ident() == thread and inputs:
                keys.append(int(inputs[0].shape[1]))

        handle = layer.to_k.register_forward_pre_hook(see)
        try:
            yield
        finally:
            handle.remove()
            obeys = not keys or keys[-1] == grids * self.pooling.kept
            self.layers.obeys[id(layer)] = obeys
            if obeys:
                self._pool(number, grids)
            else:
                self._leave(number, grids * self.pooling.tokens, Reason.KEYS_IGNORED)


def by_name(family: Family, args: tuple, kwargs: dict) -> tuple[Any, dict[str, Any]]:
    """What a layer is called with: its tokens, and the other arguments by name."""
    given = dict(zip(family.parameters, args), **kwargs)
    return given.get(family.parameters[0]), given


def why_not(family: Family, layer: Any, source: Any, given: dict[str, Any]) -> Reason | None:
    """Why pooled tokens, passed as the context, would not become the layer's keys and values.

    Args:
        source: the tokens that the keys are computed from.
        given: the call's other arguments by name.
    """
    reason = signs.reason(layer)
    if reason is not None:
        return reason
    for name in family.must_be_unset:
        value = given.get(name)
        # sgm passes a count of 0
        if value is not None and not (isinstance(value, int) and value == 0):
            return Reason.MASKED
    value = given.get("value")
    is_like = isinstance(value, torch.Tensor) and value.shape[:2] == source.shape[:2]
    return None if value is None or is_like else Reason.OTHER_VALUES


def with_pooled(
    family: Family, args: tuple, kwargs: dict, source: torch.Tensor, value: Any, pooling: Pooling
) -> tuple[tuple, dict[str, Any]]:
    """A call's arguments with pooled tokens for its context and values, in the same places."""
    pooled, names = pooling.take(source), family.parameters
    if len(args) == 1 and value is None:
        return args, {**kwargs, names[1]: pooled}
    changed = {names[1]: pooled}
    if value is not None:
        changed["value"] = pooled if value is source else pooling.take(value)
    if len(args) > 1:
        known = [changed.pop(name, arg) for name, arg in zip(names, args)]
        args = (*known, *args[len(names) :])
    return args, {**kwargs, **changed}


def _grids(shape: torch.Size, context: Any) -> int:
    """From how many grids the keys come, 0 if they come from something else.

    More than 1 where an extension adds another image's tokens (ControlNet's reference-only).
    """
    is_tokens = isinstance(context, torch.Tensor) and context.ndim == 3
    if not is_tokens or context.shape[::2] != shape[::2]:
        return 0
    grids, rest = divmod(int(context.shape[1]), int(shape[1]))
    return 0 if rest else grids
