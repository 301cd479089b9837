"""Requests by an image's text: forged, truncated, translated."""

from __future__ import annotations

import random
import re
from typing import Any

from expect import METHODS
from fuzz_values import DEFAULTS, GOOD, THRESHOLD, Asked

KEYS = {
    "factor": "ToDo factor",
    "deep_factor": "ToDo deep factor",
    "threshold": "ToDo threshold",
    "scale": "ToDo scale",
    "deep_scale": "ToDo deep scale",
    "method": "ToDo method",
    "phase": "ToDo phase",
    "passes": "ToDo pass",
}
# a text that names no preset is the older extension's
WITHOUT_PRESET = DEFAULTS | {"scale": 1, "deep_scale": 0, "phase": "fixed"}
BAD_TEXTS = ("abc", "-1", "nan", "inf", "1e9", "2x2", "0x2", "1/2", "[2]", "null", "True", "zwei",
             '"<img src=x onerror=alert(1)>"', "$(id)", '"{\\"factor\\": 2}"')  # fmt: skip


def forged_text(draw: random.Random) -> Asked:
    """An image's text in which one value was made up."""
    pairs = {"ToDo factor": "2", "ToDo threshold": str(THRESHOLD)}
    name = draw.choice((*KEYS, "steps"))
    key = KEYS.get(name, "ToDo steps")
    # 0.2 is no factor, no threshold, no window; but it may be a scale
    alone = () if "scale" in name else ("0.2",)
    pairs[key] = draw.choice((*BAD_TEXTS, "0.8-0.2", "0.2-1.2", "a-b", *alone))
    return Asked("forged text", text=as_text(pairs), bad=(key,))


def cut_text(draw: random.Random) -> Asked:
    """Only the end is lost; what was cut in the middle of a name or a value is gone or differs."""
    whole = as_text(
        {"ToDo factor": "2", "ToDo threshold": "5", "ToDo method": "average", "ToDo pass": "first"}
    )
    at = draw.randint(whole.index("ToDo factor"), len(whole))
    return Asked("cut text", text=whole[:at], **read_back(whole[:at]))


def translated_text(draw: random.Random) -> Asked:
    """Names that are not ours, as a translation makes them, and values in other words."""
    pairs = draw.choice(
        (
            {"ToDo Faktor": "2", "ToDo Schwelle": "5"},
            {"ТоДо factor": "2"},
            {"todo factor": "2"},
            {"ToDo factor": "2", "ToDo Schwelle": "5", "ToDo threshold": "5"},
            {"ToDo factor": "2", "ToDo threshold": "5", "ToDo method": "Durchschnitt"},
            {"ToDo factor": "2,5", "ToDo threshold": "5"},
        )
    )
    return Asked("translated text", text=as_text(pairs), **read_back(as_text(pairs)))


def as_text(pairs: dict[str, str]) -> str:
    told = ", ".join(f"{key}: {value}" for key, value in pairs.items())
    return f"a cat\nSteps: 1, Sampler: Euler, Seed: 1, {told}"


def read_back(text: str) -> dict[str, Any]:
    """What a text of well-formed keys asks for, read by the host's own pattern."""
    pattern = r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)'
    found = {key: value for key, value in re.findall(pattern, text.splitlines()[-1]) if value}
    if "ToDo factor" not in found:
        return {"values": {"enabled": False}}
    values: dict[str, Any] = {"enabled": True}
    for name, key in KEYS.items():
        value = found.get(key, str(WITHOUT_PRESET[name]))
        allowed = {"method": METHODS, "passes": GOOD["passes"], "phase": GOOD["phase"]}.get(name)
        if allowed and value not in allowed:
            return {"bad": (key,)}
        values[name] = value if allowed else float(value)
    return {"values": values}
