"""The caller: a thread or an asyncio task."""

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
