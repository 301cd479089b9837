"""What is asked for: settings from the values of controls, requests and axes; presets by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...settings import BY_NAME, FIELDS, PRESET, PRESETS, Field, Settings, SettingsError

# the attribute of the host's processing object in which the X/Y/Z axes leave their values
OVERRIDES = "todo_overrides"
CUSTOM = "custom"


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


def nearest_preset(values: Mapping[str, Any]) -> str:
    """The preset that these settings change least, or `custom` where they change more than two."""

    def changes(name: str) -> int:
        return sum(values[key] != value for key, value in PRESETS[name].items())

    # of those that change as many, the first of these
    name = min((str(PRESET.default), *PRESETS), key=changes)
    return name if changes(name) <= 2 else CUSTOM


def preset_of(values: Mapping[str, Any]) -> str:
    """The preset whose values these settings have, or `custom`."""
    own = (name for name, bundle in PRESETS.items() if bundle.items() <= values.items())
    return next(own, CUSTOM)
