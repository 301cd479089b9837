"""Which model is bound to which run."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from .active import Run

# shared with `calls`: a bound model may be deleted at any allocation, and that uninstalls its run.
# Reentrant, as it may happen while this thread has the lock
lock = threading.RLock()
# by model: its run, and the finalizer for when the model is deleted
_bindings: weakref.WeakKeyDictionary[Any, tuple[Run, weakref.finalize]] = (
    weakref.WeakKeyDictionary()
)


def run_of(model: Any) -> Run | None:
    """The run that the model is bound to."""
    binding = _bindings.get(model) if _bindings else None
    return None if binding is None else binding[0]


def runs() -> list[Run]:
    """All runs that models are bound to, each once."""
    if not _bindings:
        return []
    with lock:
        return list(dict.fromkeys(run for run, _ in _bindings.values()))


def bind(models: Iterable[Any], run: Run, on_end: Callable[[], None]) -> list[Run]:
    """Bind each model to `run`, instead of an earlier run. No model is kept alive.

    Args:
        models: whole models.
        run: what their calls follow from now on.
        on_end: called when one of the models has been deleted.

    Returns:
        The earlier runs that have no model left.
    """
    with lock:
        before = runs()
        for model in models:
            _release(model)
            ending = weakref.finalize(model, on_end)
            ending.atexit = False
            _bindings[model] = run, ending
        left = runs()
        return [other for other in before if other not in left]


def unbind(run: Run) -> None:
    """Unbind every model that is still bound to `run`."""
    with lock:
        for model in [model for model, (bound, _) in _bindings.items() if bound is run]:
            _release(model)


def _release(model: Any) -> None:
    if model in _bindings:
        _, ending = _bindings.pop(model)
        ending.detach()
