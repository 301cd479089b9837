"""Reading the local variables of the functions that called this code."""

from __future__ import annotations

import inspect
import types
from typing import Any


def local(frame: types.FrameType, name: str) -> Any:
    """A function's local variable, without keeping its other ones alive; None if it has none."""
    found = frame.f_locals
    value = found.get(name)
    if isinstance(found, dict) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        # before Python 3.13 f_locals is a copy that the frame keeps, and with it images and latents
        found.clear()
    return value
