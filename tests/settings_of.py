"""Settings with simple numbers, for tests."""

from __future__ import annotations

from typing import Any

from lib_todo import Settings


def paper(**values: Any) -> Settings:
    """The paper's rule, where the same tokens are taken in every step, with `values` over it."""
    return Settings.from_preset("paper", **values)
