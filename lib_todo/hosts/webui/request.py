"""What is asked for: settings by controls, requests, axes and images' texts; presets by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ...settings import BY_NAME, FIELDS, PRESET, PRESETS, Field, Settings, SettingsError

# the attribute of the host's processing object in which the X/Y/Z axes leave their values
OVERRIDES = "todo_overrides"
CUSTOM = "custom"
# how an image's generation parameters (infotext) name the settings
KEYS = {field.name: f"ToDo {field.name.replace('_', ' ')}" for field in FIELDS[1:]}
PRESET_KEY = "ToDo preset"
# written by sd-webui-token-downsampling: its second factor and the end of its step window
OLDER_KEYS = (("deep_factor", "ToDo factor2"), ("end", "ToDo disable after"))
# it takes the same tokens in every step, and knows no scales
OLDER_PRESET = "paper"


def read_settings(p: Any, args: Sequence[Any]) -> Settings:
    """The settings that a request or the tab's controls ask for, with X/Y/Z's values over them.

    Raises:
        SettingsError: a value that is not allowed. What the page sends with the box unticked is not
            checked: a broken ui-config.json must not stop images made without ToDo.
    """
    overrides = getattr(p, OVERRIDES, {})
    if not getattr(p, "is_api", False) and list(args[:1]) == [False] and not overrides:
        return Settings(enabled=False)
    values = from_page(dict(zip(BY_NAME, args)))
    # or an object by names, before values that the host fills in; sending one switches ToDo on
    first = values.pop("enabled", True)
    asked = first if isinstance(first, Mapping) else {"enabled": first}
    settings = Settings.from_mapping(asked, base=values)
    if not overrides:
        return settings
    # an axis of ToDo switches it on, unless another axis says otherwise
    return Settings.from_mapping({"enabled": True, **overrides}, base=vars(settings))


def on_page(field: Field, value: Any) -> Any:
    """A value as its control shows it; where 0 has a name, the name or the number as a text."""
    if not field.zero_means:
        return value
    return f"{value:g}" if value else field.zero_means


def from_page(values: Mapping[str, Any]) -> dict[str, Any]:
    """Controls' values as settings, by name; where 0 has a name, the control holds texts."""
    texts = [field for field in FIELDS if field.zero_means and field.name in values]
    return {**values, **{field.name: field.read(values[field.name]) for field in texts}}


def in_words(error: SettingsError) -> str:
    """The error, with the control's label where that differs from the setting's name."""
    field = BY_NAME.get(error.field)
    if field is None or field.label.lower() == field.name:
        return str(error)
    return f"{error} ({field.label} on the page)"


def preset_of(values: Mapping[str, Any], changes: int = 0) -> str:
    """The preset that these settings change in at most so many values, or `custom`."""

    def changed(name: str) -> int:
        return sum(values[key] != value for key, value in PRESETS[name].items())

    # of those that change as many, the first of these
    name = min((str(PRESET.default), *PRESETS), key=changed)
    return name if changed(name) <= changes else CUSTOM


def to_infotext(settings: Settings) -> dict[str, str]:
    """The nearest preset's name, and the values that differ from the preset's.

    No factor is written by a word: the older extension's setting of that key is a number, and the
    host would fail to paste "automatic" beside it.
    """
    preset = preset_of(vars(settings), changes=2)
    texts, usual = {PRESET_KEY: preset}, Settings(**PRESETS.get(preset, {}))
    for name, key in KEYS.items():
        value = getattr(settings, name)
        if value != getattr(usual, name):
            # a number in full, without an exponent: 2.0 as 2
            full = format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)
            texts[key] = full.removesuffix(".0")
    return texts


def from_infotext(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all fields that pasting `params` should set.

    Without `ToDo factor` and `ToDo preset` that is only `enabled`, false. What the text leaves out
    has the preset's value, or its default. A text without a preset is the older extension's.

    Raises:
        SettingsError: a value that cannot be read or is not allowed; it names the infotext's key.
    """
    if KEYS["factor"] not in params and PRESET_KEY not in params:
        return {"enabled": False}
    keys = {name: key for name, key in [*OLDER_KEYS, *KEYS.items()] if key in params}
    preset = params.get(PRESET_KEY, OLDER_PRESET)
    values = {} if preset == CUSTOM else {PRESET.name: preset}
    for name, key in keys.items():
        values[name] = BY_NAME[name].read(str(params[key]))
    try:
        return dict(vars(Settings.from_mapping(values)))
    except SettingsError as error:
        key = keys.get(error.field, PRESET_KEY)
        raise SettingsError(key, params[key], error.allowed) from None
