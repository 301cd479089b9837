"""Cancelling a generation in the app: there is one Cancellation for each browser session."""

from __future__ import annotations

import threading


class CancelledError(Exception):
    """The user has cancelled the generation."""


class Cancellation:
    """Whether the session's user has clicked Cancel since the last click on Generate.

    gradio copies a state's value for each session; each copy starts as not cancelled.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def __deepcopy__(self, _: dict) -> Cancellation:
        return Cancellation()

    def reset(self) -> None:
        """Forget an earlier click on Cancel: the user has clicked Generate."""
        self._cancelled.clear()

    def cancel(self) -> None:
        """End the generation, whether it waits in the queue or runs."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise CancelledError if the user has cancelled."""
        if self._cancelled.is_set():
            raise CancelledError
