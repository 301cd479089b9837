"""A generation's settings, from the values that the host hands to a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...settings import BY_NAME, FIELDS, Field, Settings, SettingsError

# the value of the invisible last input, see accordion.build
END_OF_ARGS = "ToDo: no more values"
# the attribute of the host's processing object in which the X/Y/Z axes leave their values
OVERRIDES = "todo_overrides"


def read_settings(p: Any, args: Sequence[Any]) -> Settings:
    """The settings that a request or the tab's controls ask for, with X/Y/Z's values over them.

    Raises:
        SettingsError: anything not allowed. What the page itself sends with the box unticked is not
            looked at: a broken ui-config.json must not stop images that never asked for ToDo.
    """
    overrides = getattr(p, OVERRIDES, {})
    values, surplus = list(args[: len(FIELDS)]), list(args[len(FIELDS) :])
    if not getattr(p, "is_api", False) and values[:1] == [False] and not overrides:
        return Settings(enabled=False)
    if surplus and surplus != [END_OF_ARGS]:
        values += surplus
    settings = Settings.from_args(
        [from_page(field, value) for field, value in zip(FIELDS, values)] + values[len(FIELDS) :]
    )
    if not overrides:
        return settings
    known = {field.name: getattr(settings, field.name) for field in FIELDS}
    # who plots an axis of ToDo wants it on, unless another axis says otherwise
    return Settings.from_mapping({"enabled": True, **overrides}, base=known)


def on_page(field: Field, value: Any) -> Any:
    """A value as its control shows it: a factor of 0 by what it stands for, others as text."""
    if not field.zero_means:
        return value
    return f"{value:g}" if value else field.zero_means


def from_page(field: Field, value: Any) -> Any:
    """A control's value as the setting: the controls with a named zero hold texts."""
    return typed(field, value) if field.zero_means and isinstance(value, str) else value


def typed(field: Field, text: str) -> Any:
    """The number that somebody wrote; what is none is left for the check to name."""
    if field.zero_means and text.strip().lower() == field.zero_means:
        return field.kind(0)
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def choices_on_page(field: Field) -> list[str]:
    """What the control of a field with a named zero offers: the zero, and each step of its range.

    Steps double from half the range on, where a difference shows less.
    """
    value, last, step = (float(bound or 0) for bound in (field.minimum, field.maximum, field.step))
    values: list[float] = []
    while value <= last:
        values.append(value)
        value += step if value < last / 2 else 2 * step
    return [on_page(field, value) for value in (0, *values)]


def in_words(error: SettingsError) -> str:
    """The error, and how the page calls the control, where its label says more than the name."""
    field = BY_NAME.get(error.field)
    if field is None or field.label.lower() == field.name:
        return str(error)
    return f"{error} ({field.label} on the page)"
