"""The caller: a thread or an asyncio task. And a counter that several of them can share."""

from __future__ import annotations

import asyncio
import threading
from typing import Any


def caller() -> Any:
    """The asyncio task that runs now, or the thread where there is no task."""
    return _task() or threading.current_thread()


def _task() -> asyncio.Task | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        # no event loop runs in this thread
        return None


class Numbers:
    """A counter for several threads: each number is drawn once. It pickles."""

    def __init__(self, first: int = 0) -> None:
        self._next = first
        self._lock = threading.Lock()

    def draw(self) -> int:
        """The next number."""
        with self._lock:
            number, self._next = self._next, self._next + 1
        return number

    def __reduce__(self) -> tuple:
        return Numbers, (self._next,)
