"""The node's inputs, from the table of settings, and back to Settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...settings import FIELDS, PRESETS, Field, Settings

# not needed: bypassing the node switches it off, and wiring chooses the sampler
WITHOUT_INPUT = ("enabled", "passes")
PRESET = "preset"
DEFAULT_PRESET = "balanced"
# the value of an input that leaves the setting to the preset
AS_PRESET_NUMBER, AS_PRESET_CHOICE = -1, "preset"
SET_BY_PRESETS = frozenset(name for values in PRESETS.values() for name in values)

PRESET_HELP = (
    "balanced: faster than the paper's ToDo with no more error. fast: faster still, for a quick "
    "look. close: the paper's speed at a tenth of its error. paper: as published."
)


def inputs() -> list[io.Input]:
    """The preset, and an input for each setting; all of them are optional in API workflows."""
    preset = io.Combo.Input(
        PRESET,
        options=list(PRESETS),
        default=DEFAULT_PRESET,
        display_name="Preset",
        tooltip=PRESET_HELP,
        optional=True,
    )
    return [preset, *(_input(field) for field in FIELDS if field.name not in WITHOUT_INPUT)]


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The settings for these inputs. Raises SettingsError."""
    chosen = {
        name: value
        for name, value in values.items()
        if name not in SET_BY_PRESETS or value not in (AS_PRESET_NUMBER, AS_PRESET_CHOICE)
    }
    return Settings.from_mapping({PRESET: DEFAULT_PRESET, **chosen})


def _input(field: Field) -> io.Input:
    by_preset = field.name in SET_BY_PRESETS
    neutral = AS_PRESET_CHOICE if field.choices else AS_PRESET_NUMBER
    common = {
        "display_name": field.label,
        "default": neutral if by_preset else field.default,
        "tooltip": f"{field.help} {neutral}: as the preset says." if by_preset else field.help,
        "optional": True,
        "advanced": True,
    }
    if field.choices:
        options = [*([neutral] if by_preset else []), *map(str, field.choices)]
        return io.Combo.Input(field.name, options=options, **common)
    kind = io.Int if field.kind is int else io.Float
    least = neutral if by_preset else 0 if field.zero_means else field.minimum
    return kind.Input(field.name, min=least, max=field.maximum, step=field.step, **common)
