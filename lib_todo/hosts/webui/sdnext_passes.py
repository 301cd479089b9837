"""The passes of a generation in SD.Next: which one is running, and their sizes."""

from __future__ import annotations

import sys
from typing import Any


def is_of_sdnext(p: Any) -> bool:
    """Whether this is SD.Next's processing object: no other host has its resize modes."""
    return hasattr(p, "hr_resize_mode")


def now() -> str:
    """The pass whose pipeline the host is calling.

    Its refiner goes over the result of the last pass. "Reprocess" runs an earlier processing
    object, so the flags are read from the one that the host's own callbacks use.
    """
    p = getattr(sys.modules.get("modules.processing_callbacks"), "p", None)
    refined = getattr(p, "is_refiner_pass", False) and getattr(p, "enable_hr", False)
    return "hires" if refined or getattr(p, "is_hr_pass", False) else "first"


def sizes(p: Any) -> dict[str, tuple[int, int]]:
    """Width and height in pixels of each pass that has run, and of the first one in any case.

    An upscaler without "Force HiRes" has no pass of its own, and a second pass need not enlarge.
    """
    found = {"first": (p.width, p.height)}
    if p.enable_hr and "hires" in p.ops:
        enlarged = p.hr_resize_mode > 0 and (p.hr_upscaler != "None" or p.hr_resize_mode == 5)
        found["hires"] = (p.hr_upscale_to_x, p.hr_upscale_to_y) if enlarged else found["first"]
    return found
