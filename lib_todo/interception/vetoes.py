"""Who else has a self-attention layer in use: a registry that hosts fill.

A host knows what others leave on its layers; the interception only asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..reasons import Reason

# says why the keys of a layer must not become fewer now; None: nothing in the way
Veto = Callable[[Any], "Reason | None"]

# said of every layer, also of one that the rule leaves alone
_before_the_rule: list[Veto] = []
# asked only where a layer is about to be pooled
_after_the_rule: list[Veto] = []


def register(veto: Veto, before_the_rule: bool = False) -> None:
    """Have `veto(layer)` asked of each self-attention call; registering it again does nothing.

    Args:
        veto: gets the attention module, and looks at it only; it is called in every layer of every
            step, so it has to be quick.
        before_the_rule: its reason is the layer's also where the rule would leave the layer alone.
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
