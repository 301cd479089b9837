"""Whose settings hold here: the runs that this context has entered, or the one bound to a model.

A context is Python's (`contextvars`): each thread and each asyncio task has its own, and
`asyncio.to_thread` hands it on. What a context has entered goes before what a model is bound to.
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
    """What is asked about each call of a transformer and of an attention layer."""

    enabled: bool

    def enter_model(self, model: Any, timestep: Any) -> None:
        """Note that a whole model is called at `timestep`, a number or a tensor of them."""

    def leave_model(self) -> None:
        """Undo the last enter_model."""

    def model_missed(self) -> None:
        """Note that a model was called in a context where no run holds at all."""

    def begin_sampling(self, schedule: Schedule) -> None:
        """Note that a scheduler was set to new timesteps."""

    def enter_transformer(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a spatial transformer over `grid` is called (None: its grid is unknown)."""

    def leave_transformer(self) -> None:
        """Undo the last enter_transformer."""

    def arguments_for(
        self, family: Family, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict, Arrival | None]:
        """The arguments to call the attention `layer` with, and what the call is to be made in."""


class Entry:
    """One entering of a run. It ends for every context at once, whichever one leaves it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.alive = True


_entries: contextvars.ContextVar[tuple[Entry, ...]] = contextvars.ContextVar("todo", default=())
# the run that the model being called is bound to
_bound: contextvars.ContextVar[Run | None] = contextvars.ContextVar("todo_bound", default=None)
_everywhere: weakref.WeakSet[Entry] = weakref.WeakSet()
_lock = threading.Lock()


def enter(run: Run) -> Entry:
    """Make `run` the current one of this context."""
    entry = Entry(run)
    _entries.set((*_living(), entry))
    with _lock:
        _everywhere.add(entry)
    return entry


def leave(entry: Entry) -> None:
    """End the entry, also from another context (a generator that another thread closes)."""
    entry.alive = False
    _entries.set(_living())
    with _lock:
        _everywhere.discard(entry)


def entered_run() -> Run | None:
    """The innermost run that this context is in, None outside of any."""
    for entry in reversed(_entries.get()):
        if entry.alive:
            return entry.run
    return None


def effective_run() -> Run | None:
    """The run whose settings hold for the call that is under way; None: nobody's do."""
    run = entered_run()
    return _bound.get() if run is None else run


@contextlib.contextmanager
def bound_to(run: Run | None) -> Iterator[None]:
    """For the call of a model that is bound to `run` (None: to none), not of what it is called in.

    Inside of what this context has entered it makes no difference.
    """
    token = _bound.set(run)
    try:
        yield
    finally:
        _bound.reset(token)


def note_missed_model() -> None:
    """Tell the runs of other contexts that a model was called in one where no run holds."""
    with _lock:
        entries = list(_everywhere)
    for entry in entries:
        entry.run.model_missed()


def _living() -> tuple[Entry, ...]:
    return tuple(entry for entry in _entries.get() if entry.alive)
