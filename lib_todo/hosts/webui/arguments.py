"""A generation's settings, from the values that the host hands to a script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...settings import FIELDS, Settings

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
    settings = Settings.from_args(values)
    if not overrides:
        return settings
    known = {field.name: getattr(settings, field.name) for field in FIELDS}
    # who plots an axis of ToDo wants it on, unless another axis says otherwise
    return Settings.from_mapping({"enabled": True, **overrides}, base=known)
