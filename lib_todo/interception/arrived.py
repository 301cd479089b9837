"""How many keys a layer computes in a call: what arrives at its own projection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def can_be_watched(layer: Any) -> bool:
    """Whether the layer has a projection of its own for the keys, and runs as it is written."""
    return isinstance(getattr(layer, "to_k", None), nn.Module) and not torch.jit.is_tracing()


class Arrival:
    """Watches one call of a layer, inside a `with`; nothing is left on the layer afterwards.

    Args:
        layer: an attention module with a `to_k`.
        judge: is told how many tokens this thread gave `to_k`; None where it did not call it.
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
