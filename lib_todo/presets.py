"""Named bundles of ordinary values; what a bundle does not say has its default."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "close": {"deep_factor": 1.0},
    "balanced": {},
    "fast": {"threshold": 32},
}
