"""Whose settings hold here: the runs that this context has entered.

A context is Python's (`contextvars`): each thread and each asyncio task has its own, and
`asyncio.to_thread` hands it on.
"""

from __future__ import annotations

import contextvars
from typing import Any, Protocol

from ..plan import Grid
from .families import Family


class Run(Protocol):
    """What is asked about each call of a transformer and of an attention layer."""

    enabled: bool

    def enter_model(self, model: Any, timestep: Any) -> None:
        """Note that a whole model is called at `timestep`, a number or a tensor of them."""

    def leave_model(self) -> None:
        """Undo the last enter_model."""

    def begin_sampling(self, sampler: str) -> None:
        """Note that a scheduler of the class named `sampler` was set to new timesteps."""

    def enter_transformer(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a spatial transformer over `grid` is called (None: its grid is unknown)."""

    def leave_transformer(self) -> None:
        """Undo the last enter_transformer."""

    def arguments_for(
        self, family: Family, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict]:
        """The arguments to call the attention `layer` with."""


class Entry:
    """One entering of a run. It ends for every context at once, whichever one leaves it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.alive = True


_entries: contextvars.ContextVar[tuple[Entry, ...]] = contextvars.ContextVar("todo", default=())


def enter(run: Run) -> Entry:
    """Make `run` the current one of this context."""
    entry = Entry(run)
    _entries.set((*_living(), entry))
    return entry


def leave(entry: Entry) -> None:
    """End the entry, also from another context (a generator that another thread closes)."""
    entry.alive = False
    _entries.set(_living())


def current() -> Run | None:
    """The innermost run that this context is in, None outside of any."""
    for entry in reversed(_entries.get()):
        if entry.alive:
            return entry.run
    return None


def _living() -> tuple[Entry, ...]:
    return tuple(entry for entry in _entries.get() if entry.alive)
