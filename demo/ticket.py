"""A generation that its user can cancel, one ticket for each session of the app."""

from __future__ import annotations

import threading


class CancelledError(Exception):
    """The user has cancelled the generation."""


class Ticket:
    """Says whether the session's generation is still wanted, from the click to the end.

    gradio copies a state's value for every session; a copy is a new ticket.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def __deepcopy__(self, _: dict) -> Ticket:
        return Ticket()

    def ask(self) -> None:
        """The user wants a picture."""
        self._cancelled.clear()

    def cancel(self) -> None:
        """The user does not any more, whether it waits or runs."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise CancelledError if the user has cancelled."""
        if self._cancelled.is_set():
            raise CancelledError
