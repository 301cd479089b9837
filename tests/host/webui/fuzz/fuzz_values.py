"""Right and wrong values for each setting, and a request with the expected answer."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

from expect import METHODS
from host import Host

SQUARE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
THRESHOLD = 4

# in the order of a request's positions
DEFAULTS: dict[str, Any] = {
    "enabled": False,
    "factor": 0.0,
    "deep_factor": 0.0,
    "threshold": 64,
    "scale": 1.5,
    "deep_scale": 1.0,
    "method": "nearest",
    "phase": "moving",
    "start": 0.0,
    "end": 1.0,
    "passes": "both",
}
NAMES = tuple(DEFAULTS)
# whose controls hold texts, so that a list of values may hold them too: 0 by its name, or a number
TEXTS = {
    "factor": "automatic",
    "deep_factor": "automatic",
    "deep_scale": "by the threshold, as in the paper",
}
MARKUP = (
    "<img src=x onerror=alert(1)>",
    "</div><script>alert(1)</script>",
    '"><b>',
    "<svg/onload=1>",
)
PATHS = ("../../etc/passwd", "/tmp/x", "C:\\x", "$(touch x)", "`id`", "; rm -rf x", "%s%n", "a\0b")


def deep(levels: int) -> Any:
    value: Any = 2
    for level in range(levels):
        value = [value] if level % 2 else {"factor": value}
    return value


# JSON values that are right for no field of any kind
NEVER: tuple[Any, ...] = (
    None, [], {}, [2], [True], {"value": 2}, "", " ", "2", "2.0", "1e3", "０", "٣", "0x2", "NaN",
    "None", "null", "true", "True", "false", "on", "auto", "automatic", "Nearest", "nearest ",
    "NEAREST", "both,first", "[2]", "{}", "\ud800", "\u202e2", "𝟚", "ＢＯＴＨ", "average\n",
    *MARKUP, *PATHS, "x" * 5000, [2] * 10_000, {str(n): n for n in range(2000)}, deep(60),
    deep(200),
    math.nan, math.inf, -math.inf, -1, -0.5, 1e308, -1e308, 1e-300 - 1, 10**30, -(10**30),
    10**400, 2**63, 513.5, 1000,
)  # fmt: skip
BESIDE: dict[str, tuple[Any, ...]] = {
    "enabled": (0, 1, 0.0, 1.0, 2),
    "factor": (True, False, 0.5, 0.999, 8.001, 8.5, 9, 64, 5e-324),
    "deep_factor": (True, False, 0.5, 0.999, 8.001, 8.5, 9, 64, 5e-324),
    "threshold": (True, False, 0, 0.0, 0.5, 4.5, 513, 1024),
    "scale": (True, False, 0, 0.0, 0.124, 4.001, 8),
    "deep_scale": (True, False, 0.1, 4.5, 5e-324),
    "method": (0, 1, True, "bicubic", "both", "nearest_exact"),
    "phase": (0, True, "moved", "Moving", "nearest", "both"),
    "start": (True, 1.001, 2, 100, 50),
    "end": (True, False, 1.001, 2, 100),
    "passes": (0, 1, True, "second", "hr", "nearest", "all"),
}
GOOD: dict[str, tuple[Any, ...]] = {
    "enabled": (True,),
    "factor": (0, 0.0, -0.0, 1, 1.5, 2, 2.0, 2.5, 3, 8),
    "deep_factor": (0, 1, 1.0, 2, 4.5),
    "threshold": (4, 4.0, 5, 2, 1, 8, 64, 512),
    "scale": (1, 1.0, 1.5, 0.125, 4, 2.25),
    "deep_scale": (0, 0.0, 1, 0.5, 4),
    "method": METHODS,
    "phase": ("moving", "fixed"),
    "start": (0, 0.0, 0.5, 1),
    "end": (0.5, 1, 1.0, 0.75),
    "passes": ("both", "first", "hires"),
}
# a phase that moves has to be left out with these, or it is refused
WITHOUT_PHASE = ("average", "max", "bilinear")
UNKNOWN = ("Factor", "faktor", "", " ", "factor ", "__class__", "self", "0", "ratio", "enable",
           "settings", "report", "FIELDS", *MARKUP, "x" * 300, "ﬁeld", "factor\u200b")  # fmt: skip


@dataclass
class Asked:
    """One request, and what is right for it.

    `bad` holds the words of which the refusal must name one; `values` the settings of an image that
    must be made; neither is there where the host alone has to refuse.
    """

    kind: str
    scripts: dict[str, Any] | None = None
    text: str = ""
    bad: tuple[str, ...] = ()
    values: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        body = Host.body(**SQUARE) | copy.deepcopy(self.more)
        if self.scripts is not None:
            body["alwayson_scripts"] = self.scripts
        if self.text:
            body["infotext"] = self.text
        return body
