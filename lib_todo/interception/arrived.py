"""Check how many keys a layer really computes: the tokens that arrive at its key projection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def can_be_watched(layer: Any) -> bool:
    """Whether the layer has a key projection of its own, and its Python code runs untraced."""
    return isinstance(getattr(layer, "to_k", None), nn.Module) and not torch.jit.is_tracing()


class Arrival:
    """Watches one call of a layer, made inside the `with`. Nothing is left on the layer afterwards.

    Args:
        layer: an attention module with a `to_k`.
        judge: called afterwards with the number of tokens that this thread passed to `to_k`, or
            None if it did not call it.
    """

    def __init__(self, layer: Any, judge: Callable[[int | None], None]) -> None:
        self._layer = layer
        self._judge = judge
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
