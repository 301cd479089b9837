"""Vetoes: a registry of checks whether another extension uses a self-attention layer.

Hosts fill it, since they know what their extensions leave on a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..reasons import Reason

# gets a layer; returns why it must not be pooled now, or None
Veto = Callable[[Any], "Reason | None"]

# asked before the rule, so their reason is reported even for layers that would not be pooled
_before_the_rule: list[Veto] = []
# asked only about layers that are to be pooled
_after_the_rule: list[Veto] = []


def register(veto: Veto, before_the_rule: bool = False) -> None:
    """Have `veto(layer)` asked at each self-attention call. Registering it again does nothing.

    Args:
        veto: gets the attention module and must not change it. It runs for every layer in every
            step, so it has to be fast.
        before_the_rule: whether its reason counts even where the rule leaves the layer alone.
    """
    into = _before_the_rule if before_the_rule else _after_the_rule
    if veto not in into:
        into.append(veto)


def first(layer: Any, before_the_rule: bool = False) -> Reason | None:
    """The first reason that any veto of that kind gives."""
    for veto in _before_the_rule if before_the_rule else _after_the_rule:
        reason = veto(layer)
        if reason is not None:
            return reason
    return None
