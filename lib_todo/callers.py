"""Who calls: a thread, or an asyncio task; and numbers that several of them draw."""

from __future__ import annotations

import asyncio
import threading
from typing import Any


def caller() -> Any:
    """Who runs now: an asyncio task, or a thread where there is none."""
    return _task() or threading.current_thread()


def _task() -> asyncio.Task | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        # no event loop runs in this thread
        return None


class Numbers:
    """Whole numbers in a row, each drawn once, whichever thread draws; it pickles."""

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
