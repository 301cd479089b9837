"""One call of a spatial transformer: what its self-attention layers take instead of all tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from ..pooling import Pooling
from ..reasons import Reason
from . import signs
from .families import Family


def self_attention_of(transformer: Any) -> list[Any]:
    """The attention layers of a transformer that attend to the image's own tokens, in order.

    The first one of each block, unless it is told to look at the prompt; and diffusers' second one
    where it has no prompt (`double_self_attention`). Not those over the frames of a video.
    """
    layers = []
    for block in _part(transformer, "transformer_blocks") or ():
        given = block.__dict__
        if not (given.get("only_cross_attention") or given.get("disable_self_attn")):
            first = _part(block, "attn1")
            if first is not None:
                layers.append(first)
        second = _part(block, "attn2")
        if second is not None and second.__dict__.get("is_cross_attention") is False:
            layers.append(second)
    return layers


def _part(module: Any, name: str) -> Any:
    """A module's part of that name; None without one."""
    # what PyTorch's own __getattr__ does last, which is slow
    parts = module.__dict__.get("_modules", {})
    return parts[name] if name in parts else getattr(module, name, None)


class Cut:
    """What the self-attention layers of one transformer's call take.

    Args:
        family: of the transformer.
        transformer: the module.
        layers: its self-attention layers.
        pooling: which of the grid's tokens they take.
        checked: the places of those that were seen to compute their keys from what they are given;
            this call adds to them.
        ignoring: the places of those that were seen to compute keys of their own.
    """

    def __init__(
        self,
        family: Family,
        transformer: Any,
        layers: list[Any],
        pooling: Pooling,
        checked: set[int],
        ignoring: set[int],
    ) -> None:
        self.family, self.transformer, self.pooling = family, transformer, pooling
        self._places = {id(layer): place for place, layer in enumerate(layers)}
        self.checked, self.ignoring = checked, ignoring
        # the places of the layers that were pooled, by how many grids their keys came from
        self.taken: dict[int, list[int]] = {}
        # those left alone: the place, the keys and why
        self.left: list[tuple[int, int, Reason]] = []
        # those whose call was no self-attention over the grid
        self.others: set[int] = set()

    @property
    def not_called(self) -> list[int]:
        """The places of the layers that were not called as Python."""
        seen = {place for places in self.taken.values() for place in places} | self.others
        seen.update(place for place, _, _ in self.left)
        return [place for place in self._places.values() if place not in seen]

    def take(
        self, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict, AbstractContextManager | None]:
        """The arguments to call `layer` with, and what has to be open around the call, or None."""
        place = self._places.get(id(layer))
        if place is None:
            return args, kwargs, None
        family, pooling = self.family, self.pooling
        tokens_name, context_name = family.parameters[:2]
        given = dict(zip(family.parameters, args), **kwargs)
        x, context = given[tokens_name], given.get(context_name)
        if not isinstance(x, torch.Tensor) or x.ndim != 3:
            self.others.add(place)
            return args, kwargs, None
        if x.shape[1] != pooling.tokens:
            self.left.append((place, int(x.shape[1]), self._why_not_this_grid(layer)))
            return args, kwargs, None
        grids = 1 if context is None or context is x else _grids(x, context, pooling.tokens)
        if not grids:
            # it attends to something else in this call
            self.others.add(place)
            return args, kwargs, None
        reason = why_not(family, layer, given)
        if reason is None and place in self.ignoring:
            reason = Reason.KEYS_IGNORED
        if reason is not None:
            self.left.append((place, grids * pooling.tokens, reason))
            return args, kwargs, None
        source = x if context is None else context
        pooled = pooling.take(source)
        changed = {context_name: pooled}
        value = given.get("value")
        if value is not None:
            changed["value"] = pooled if value is source else pooling.take(value)
        new_args, new_kwargs = with_changed(family, args, kwargs, changed)
        if place in self.checked or not _can_be_watched(layer):
            self.taken.setdefault(grids, []).append(place)
            return new_args, new_kwargs, None
        return new_args, new_kwargs, _Watch(layer, lambda keys: self._judge(place, grids, keys))

    def _why_not_this_grid(self, layer: Any) -> Reason:
        """Why a layer's tokens are not those of its grid: agent attention's blocks are ToMe's."""
        blocks = self.transformer.transformer_blocks
        names = ("attn1", "attn2")
        block = next(b for b in blocks if any(_part(b, name) is layer for name in names))
        if type(block).__name__ != "ToMeBlock":
            return Reason.OTHER_GRID
        is_agent = type(layer).__name__ == "AgentAttention"
        return Reason.AGENT_ATTENTION if is_agent else Reason.TOKENS_MERGED

    def _judge(self, place: int, grids: int, keys: int | None) -> None:
        """Count a layer's first pooled call, by how many keys it really computed."""
        if keys is not None and keys != grids * self.pooling.kept:
            self.ignoring.add(place)
            self.left.append((place, grids * self.pooling.tokens, Reason.KEYS_IGNORED))
        else:
            self.checked.add(place)
            self.taken.setdefault(grids, []).append(place)


def why_not(family: Family, layer: Any, given: dict[str, Any]) -> Reason | None:
    """Why pooled tokens, passed as the context, would not become the layer's keys and values.

    Args:
        given: the call's arguments by name.
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
    if value is not None:
        tokens, context = (given.get(name) for name in family.parameters[:2])
        source: Any = tokens if context is None else context
        if not isinstance(value, torch.Tensor) or value.shape[:2] != source.shape[:2]:
            return Reason.OTHER_VALUES
    return None


def with_changed(
    family: Family, args: tuple, kwargs: dict, changed: dict[str, Any]
) -> tuple[tuple, dict]:
    """The call's arguments with some replaced in their place, or added by name."""
    if len(args) == 1:
        return args, {**kwargs, **changed}
    new_args, new_kwargs = list(args), dict(kwargs)
    for name, value in changed.items():
        index = family.parameters.index(name)
        if index < len(args):
            new_args[index] = value
        else:
            new_kwargs[name] = value
    return tuple(new_args), new_kwargs


def _grids(x: torch.Tensor, context: Any, tokens: int) -> int:
    """From how many grids the keys come, 0 if they come from something else.

    More than 1 where an extension adds another image's tokens (ControlNet's reference-only).
    """
    if not isinstance(context, torch.Tensor) or context.ndim != 3:
        return 0
    if context.shape[0] != x.shape[0] or context.shape[2] != x.shape[2]:
        return 0
    grids, rest = divmod(int(context.shape[1]), tokens)
    return 0 if rest else grids


def _can_be_watched(layer: Any) -> bool:
    """Whether the layer has a key projection of its own, and its Python code runs untraced."""
    return isinstance(getattr(layer, "to_k", None), nn.Module) and not torch.jit.is_tracing()


class _Watch:
    """Around one call of a layer: how many tokens this thread passed to its `to_k`.

    Nothing is left on the layer afterwards.
    """

    def __init__(self, layer: Any, judge: Callable[[int | None], None]) -> None:
        self._layer, self._judge = layer, judge
        self._keys: int | None = None
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        self._handle = self._layer.to_k.register_forward_pre_hook(self._see)

    def _see(self, _: nn.Module, inputs: tuple) -> None:
        if threading.get_ident() == self._thread and inputs:
            self._keys = int(inputs[0].shape[1])

    def __exit__(self, *exc_info: object) -> None:
        self._handle.remove()
        self._judge(self._keys)
