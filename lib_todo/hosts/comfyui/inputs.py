"""The node's inputs, from the table of settings, and back to Settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...settings import FIELDS, Field, Settings

# bypassing the node switches it off, and it acts on the samplers that it is wired to
WITHOUT_INPUT = ("enabled", "passes")


def inputs() -> list[io.Input]:
    """One input for each setting; all have defaults, so API workflows may leave them out."""
    return [_input(field) for field in FIELDS if field.name not in WITHOUT_INPUT]


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The settings that these inputs ask for. Raises SettingsError."""
    return Settings.from_mapping(values)


def _input(field: Field) -> io.Input:
    common = {
        "display_name": field.label,
        "default": field.default,
        "tooltip": field.help,
        "optional": True,
        "advanced": True,
    }
    if field.choices:
        return io.Combo.Input(field.name, options=list(field.choices), **common)
    kind = io.Int if field.kind is int else io.Float
    least = 0 if field.zero_means else field.minimum
    return kind.Input(field.name, min=least, max=field.maximum, step=field.step, **common)
