"""The caller: a thread or an asyncio task. And a counter that several of them can share."""

from __future__ import annotations

import asyncio
import threading
from typing import Any


def caller() -> Any:
    """The asyncio task that runs now, or the thread where there is no task."""
    # asked at every layer; asyncio.current_task would raise where no loop runs, which is slow
    loop = asyncio._get_running_loop()
    task = None if loop is None else asyncio.current_task(loop)
    return threading.current_thread() if task is None else task


class Numbers:
    """A counter for several threads: each number is drawn once."""

    def __init__(self, first: int = 0) -> None:
        self._next = first
        self._lock = threading.Lock()

    def draw(self) -> int:
        """The next number."""
        with self._lock:
            number, self._next = self._next, self._next + 1
        return number
