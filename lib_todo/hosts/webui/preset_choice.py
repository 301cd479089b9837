"""The presets on the page: their names, and which of them the settings make up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...settings import BY_NAME, FIELDS, PRESETS

PRESET = "preset"
CUSTOM = "custom"
DEFAULT = "balanced"
LABEL = "Preset"
HELP = (
    "close keeps nearest to the picture without ToDo, fast saves most, balanced lies between, "
    "paper is the published method; custom: a setting below differs from all of them."
)


def names() -> list[str]:
    """The presets in the order of their table."""
    return list(PRESETS)


def name_of(values: Mapping[str, Any]) -> str:
    """The preset that these settings are, or `custom`; what is not named has its default."""
    wanted = {
        field.name: values.get(field.name, field.default)
        for field in FIELDS
        if field.name != "enabled"
    }
    for name in (DEFAULT, *PRESETS):
        made = {field: PRESETS[name].get(field, BY_NAME[field].default) for field in wanted}
        if made == wanted:
            return name
    return CUSTOM
