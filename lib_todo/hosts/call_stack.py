"""The functions that called this code, and their local variables."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any


def callers() -> Iterator[types.FrameType]:
    """The frames on the call stack, the innermost first: that of whoever asks for the first one."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def local(frame: types.FrameType, name: str) -> Any:
    """A function's local variable, without keeping its other ones alive; None if it has none."""
    found = frame.f_locals
    value = found.get(name)
    if isinstance(found, dict) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        # before Python 3.13 f_locals is a copy that the frame keeps, and with it images and latents
        found.clear()
    return value
