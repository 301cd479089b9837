"""Which run applies to a call: one that this context has entered, or one the model is bound to.

A context is Python's (`contextvars`): each thread and each asyncio task has its own, and
`asyncio.to_thread` passes it on. An entered run goes before a binding. In a model's call nothing
waits for another task, so `here` is kept by thread.
"""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..pooling import Pooling
    from ..runs.model_call import ModelCall
    from ..runs.run import Run
    from .cut import Cut


class _Here(threading.local):
    """What this thread is in. Set on the instance, where Dynamo's guards look for the names."""

    def __init__(self) -> None:
        self.call: ModelCall | None = None  # the innermost model's call to which a run applies
        self.cut: Cut | None = None  # what the layers of the transformer being called take
        # the rest is for graphs of torch.compile, see graphs.py
        self.plans: dict[str, Pooling | None] | None = None
        self.largest = ""
        self.refused = ""
        self.pooling: Pooling | None = None


here = _Here()


# the run of each `with` that was not left yet, and which of them each context has entered. One
# ends for all contexts at once, whichever leaves it
_open: dict[object, Run] = {}
_entries: contextvars.ContextVar[tuple[object, ...]] = contextvars.ContextVar("todo", default=())
# reentrant: a bound model may be deleted at any allocation, and that ends its run
lock = threading.RLock()
# by model: its run
_bindings: weakref.WeakKeyDictionary[Any, Run] = weakref.WeakKeyDictionary()
# the models ever bound
_watched: weakref.WeakSet[Any] = weakref.WeakSet()


def enter(run: Run) -> object:
    """Make `run` the innermost one of this context; returns what `leave` takes."""
    entry = object()
    _open[entry] = run
    _entries.set((*_entries.get(), entry))
    return entry


def leave(entry: object) -> None:
    """End the entry; another context may do it (a generator that another thread closes)."""
    _open.pop(entry, None)
    _entries.set(tuple(entry for entry in _entries.get() if entry in _open))


def entered_run() -> Run | None:
    """The innermost run that this context has entered; None outside of any."""
    for entry in reversed(_entries.get()):
        run = _open.get(entry)
        if run is not None:
            return run
    return None


def run_of(model: Any) -> Run | None:
    """The run that applies to a call of `model`; None where none does, or a disabled one."""
    run = entered_run()
    if run is None:
        run = _bindings.get(model) if _bindings else None
        if run is None:
            # the run of another context may have been meant for it
            for other in list(_open.values()):
                other.report.missed_elsewhere = True
    return run if run is not None and run.enabled else None


def bound_runs() -> list[Run]:
    """All runs that models are bound to, each once."""
    with lock:
        return list(dict.fromkeys(_bindings.values()))


def bind(models: Iterable[Any], run: Run, on_deleted: Callable[[], None]) -> None:
    """Bind each whole model to `run`, instead of an earlier run. No model is kept alive.

    Args:
        run: what the models' calls follow from now on.
        on_deleted: called when one of the models has been deleted.
    """
    with lock:
        for model in models:
            _bindings[model] = run
            if model not in _watched:
                _watched.add(model)
                weakref.finalize(model, on_deleted).atexit = False


def unbind(run: Run) -> None:
    """Unbind every model that is still bound to `run`."""
    with lock:
        for model in [model for model, bound in _bindings.items() if bound is run]:
            del _bindings[model]
