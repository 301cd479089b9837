"""Which preset the settings make up, and which settings a preset stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...settings import BY_NAME, FIELDS, PRESETS, preset_values

PRESET = "preset"
CUSTOM = "custom"
DEFAULT = "balanced"
LABEL = "Preset"
HELP = (
    "close keeps nearest to the picture without ToDo, fast saves most, balanced lies between, "
    "paper is the published method; custom: a setting below differs from all of them."
)
# where and how to pool goes with any preset; the rest is what a preset decides
_KEPT = ("enabled", "method", "start", "end", "passes")
DECIDED = tuple(field.name for field in FIELDS if field.name not in _KEPT)


def names() -> list[str]:
    """The presets in the order of their table."""
    return list(PRESETS)


def values_of(name: Any) -> dict[str, Any]:
    """Every setting that a preset decides, also where it leaves the default.

    Raises:
        SettingsError: no preset of that name.
    """
    bundle = preset_values(name)
    return {field: bundle.get(field, BY_NAME[field].default) for field in DECIDED}


def expanded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with a named preset among them put into single ones, which the others override."""
    single = dict(values)
    bundle = values_of(single.pop(PRESET)) if PRESET in single else {}
    return {**bundle, **single}


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
