"""The nodes' inputs, from the table of settings, and back to Settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from comfy_api.latest import io

from ...settings import BY_NAME, FIELDS, PRESETS, Field, Settings

# what ToDo Settings gives to ToDo
SETTINGS = io.Custom("TODO_SETTINGS")
# not needed: bypassing the node switches it off, and wiring chooses the sampler
WITHOUT_INPUT = ("enabled", "passes")
AUTOMATIC = "automatic"
DEFAULT_PRESET = "balanced"
PRESET_HELP = (
    "balanced: faster than the paper's ToDo, with no more error. fast: faster still, for a quick "
    "look. close: the paper's speed at a fraction of its error. paper: as published. For other "
    "settings, connect ToDo Settings here."
)


def preset_input() -> io.Input:
    """The name of a preset, or a link from ToDo Settings."""
    # the default comes first, since a node's preview shows the first choice
    names = sorted(PRESETS, key=lambda name: name != DEFAULT_PRESET)
    common = {"display_name": "Preset", "tooltip": PRESET_HELP, "optional": True}
    return _choice("preset", names, DEFAULT_PRESET, common, SETTINGS)


def setting_inputs() -> list[io.Input]:
    """An input for each setting; its default is the preset balanced's."""
    return [_input(field) for field in FIELDS if field.name not in WITHOUT_INPUT]


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The settings with these values. Raises SettingsError."""
    return Settings(**{name: _value(BY_NAME[name], value) for name, value in values.items()})


def _value(field: Field, shown: Any) -> Any:
    """The number where it was chosen as a text."""
    if field.kind is not float or not isinstance(shown, str):
        return shown
    try:
        return 0 if shown == AUTOMATIC else float(shown)
    except ValueError:
        return shown


def _input(field: Field) -> io.Input:
    common = {"display_name": field.label, "tooltip": field.help, "optional": True}
    if field.choices:
        return _choice(field.name, field.choices, str(field.default), common)
    least, most, step = field.minimum or 0, field.maximum or 0, field.step or 1
    if field.zero_means == AUTOMATIC:
        numbers = [f"{least + index * step:g}" for index in range(int((most - least) / step) + 1)]
        return _choice(field.name, [AUTOMATIC, *numbers], AUTOMATIC, common, io.Float, io.Int)
    least = 0 if field.zero_means else least
    kind = io.Int if field.kind is int else io.Float
    return kind.Input(field.name, default=field.default, min=least, max=most, step=step, **common)


def _choice(
    name: str, choices: Sequence[str], default: str, common: Mapping[str, Any], *links: Any
) -> io.Input:
    """A choice that takes links from texts and from `links`; a plain one takes none of them."""
    combo = io.Combo.Input(name, options=list(choices), default=default, **common)
    return io.MultiType.Input(combo, types=[*links, io.String])
