"""Signs that other code uses a self-attention layer: attributes that stand on it.

Hosts fill the table, since they know what their extensions leave. One look tells that a layer has
none of the names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..reasons import Reason

# gets a layer; returns why it must not be pooled now, or None
Check = Callable[[Any], "Reason | None"]

_checks: list[tuple[str, Check]] = []


def register(name: str, check: Check) -> None:
    """Have `check(layer)` asked where the layer itself has an attribute `name`.

    Registering it again does nothing. `check` must not change the layer.
    """
    if (name, check) not in _checks:
        _checks.append((name, check))


def reason(layer: Any) -> Reason | None:
    """Why other code's use of the layer forbids pooling it; None where nothing does."""
    on_layer = vars(layer)
    for name, check in _checks:
        if name in on_layer:
            found = check(layer)
            if found is not None:
                return found
    return None
