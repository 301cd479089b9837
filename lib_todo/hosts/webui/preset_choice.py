"""The presets on the page: their names, and which of them the current settings are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...settings import BY_NAME, FIELDS, PRESETS

PRESET = "preset"
CUSTOM = "custom"
DEFAULT = "balanced"
LABEL = "Preset"
# how many times as fast a whole pass of SD 1.x is, 1024 and 2048 pixels a side; docs/performance.md
HELP = """\
close: nearest to the picture without ToDo; 1.6 times as fast at 1024×1024, 3.8 at 2048×2048
balanced: changes the picture less than paper, and is faster: 1.9 and 4.6 times
fast: changes it about as much as paper; 2.0 and 4.7 times, and some at 512×512
paper: the published method; 1.6 and 3.8 times
custom: a value in Advanced differs from all of these"""


def names() -> list[str]:
    """The presets in the order of HELP: the paper's, with which the others are compared, last."""
    return sorted(PRESETS, key=lambda name: name == "paper")


def nearest(values: Mapping[str, Any]) -> str:
    """The preset that these settings change least, or `custom` where they change more than two.

    The threshold is the checkpoint's, and counts for no preset.
    """

    def changes(name: str) -> int:
        bundle = {key: value for key, value in PRESETS[name].items() if key != "threshold"}
        return sum(values[key] != value for key, value in bundle.items())

    name = min((DEFAULT, *PRESETS), key=changes)
    return name if changes(name) <= 2 else CUSTOM


def name_of(values: Mapping[str, Any]) -> str:
    """The preset that these settings equal, or `custom`. Settings left out have their defaults."""
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
