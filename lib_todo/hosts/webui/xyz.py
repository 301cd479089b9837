"""Axes for the host's X/Y/Z plot, one for each setting."""

from __future__ import annotations

import os
from typing import Any

from ...settings import FIELDS, Field
from .arguments import OVERRIDES

PREFIX = "[ToDo] "
_LABELS = {"deep_factor": "deep factor", "passes": "pass"}


def add_axes(scripts_data: list[Any]) -> None:
    """Append our axes to the plot's, once (the host's `on_before_ui` callback).

    The plot is found by its file's name: the name of its module changed around 1.9.
    """
    for data in scripts_data:
        if os.path.basename(data.path) == "xyz_grid.py" and hasattr(data.module, "axis_options"):
            axes = data.module.axis_options
            axes[:] = [axis for axis in axes if not axis.label.startswith(PREFIX)]
            axes += [_axis(data.module, field) for field in FIELDS]


def _axis(xyz_grid: Any, field: Field) -> Any:
    choices = list(field.choices) or (["True", "False"] if field.kind is bool else None)
    return xyz_grid.AxisOption(
        PREFIX + _LABELS.get(field.name, field.name),
        _boolean if field.kind is bool else field.kind,
        _apply(field.name),
        confirm=_confirm(field),
        **({"choices": lambda: choices} if choices else {}),
    )


def _boolean(text: str) -> bool | str:
    """True and False as the plot writes them; anything else is left for the check to name."""
    return {"true": True, "false": False}.get(text.strip().lower(), text)


def _apply(name: str) -> Any:
    def apply(p: Any, value: Any, values: Any) -> None:
        # a new dict: cells are shallow copies of one p
        setattr(p, OVERRIDES, {**getattr(p, OVERRIDES, {}), name: value})

    return apply


def _confirm(field: Field) -> Any:
    def confirm(p: Any, values: list[Any]) -> None:
        for value in values:
            field.check(value)

    return confirm
