"""Which run applies to a call: one that this context has entered, or one the model is bound to.

A context is Python's (`contextvars`): each thread and each asyncio task has its own, and
`asyncio.to_thread` passes it on. An entered run goes before a binding.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Protocol

from ..clock import Schedule
from ..plan import Grid
from .arrived import Arrival
from .families import Family


class Run(Protocol):
    """What the intercepted calls report to a run, and ask of it."""

    enabled: bool

    def enter_model(self, model: Any, timestep: Any, in_graph: bool) -> None:
        """Note that a whole model is called at `timestep`, a number or a tensor of them.

        `in_graph`: through what `torch.compile(model)` returned.
        """

    def leave_model(self) -> None:
        """Undo the last enter_model."""

    def model_missed(self) -> None:
        """Note that a model was called in a context in which no run applies."""

    def begin_sampling(self, schedule: Schedule) -> None:
        """Note that a scheduler was set to new timesteps."""

    def enter_transformer(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a spatial transformer over `grid` is called (None: its grid is unknown)."""

    def leave_transformer(self) -> None:
        """Undo the last enter_transformer."""

    def arguments_for(
        self, family: Family, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict, Arrival | None]:
        """The arguments to call `layer` with, and a context manager around the call, or None."""


class Entry:
    """One `with` around a run. It ends for all contexts at once, whichever one leaves it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.alive = True


_entries: contextvars.ContextVar[tuple[Entry, ...]] = contextvars.ContextVar("todo", default=())
# the run that the model being called is bound to
_bound: contextvars.ContextVar[Run | None] = contextvars.ContextVar("todo_bound", default=None)
_everywhere: weakref.WeakSet[Entry] = weakref.WeakSet()
_lock = threading.Lock()


def enter(run: Run) -> Entry:
    """Make `run` the innermost one of this context."""
    entry = Entry(run)
    _entries.set((*_living(), entry))
    with _lock:
        _everywhere.add(entry)
    return entry


def leave(entry: Entry) -> None:
    """End the entry; another context may do it (a generator that another thread closes)."""
    entry.alive = False
    _entries.set(_living())
    with _lock:
        _everywhere.discard(entry)


def entered_run() -> Run | None:
    """The innermost run that this context has entered; None outside of any."""
    for entry in reversed(_entries.get()):
        if entry.alive:
            return entry.run
    return None


def effective_run() -> Run | None:
    """The run that applies to the current call; None where none does."""
    run = entered_run()
    return _bound.get() if run is None else run


@contextlib.contextmanager
def bound_to(run: Run | None) -> Iterator[None]:
    """Around the call of a model that is bound to `run` (None: not bound).

    A run that this context has entered still goes first.
    """
    token = _bound.set(run)
    try:
        yield
    finally:
        _bound.reset(token)


def note_missed_model() -> None:
    """Tell the runs of other contexts that a model was called in a context without a run."""
    with _lock:
        entries = list(_everywhere)
    for entry in entries:
        entry.run.model_missed()


def _living() -> tuple[Entry, ...]:
    return tuple(entry for entry in _entries.get() if entry.alive)
