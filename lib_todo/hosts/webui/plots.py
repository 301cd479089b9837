"""Axes for the host's X/Y/Z plot, one for each setting."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import types
from typing import Any

from ...settings import FIELDS, PRESET, Field, SettingsError
from .host import SettingsRefused
from .request import OVERRIDES, on_page, read_settings

PREFIX = "[ToDo] "
# the attribute of the host's processing object in which the axes note all their values
AXES = "todo_axes"


def add_axes() -> None:
    """Add our axes to the plot's: when our script is loaded, and again at `on_before_ui`.

    With --nowebui the plot is built before that; else its script may be loaded after ours. It is
    found by its file's name, as the name of its module changed around 1.9.
    """
    from modules import scripts

    for data in scripts.scripts_data:
        if os.path.basename(data.path) == "xyz_grid.py" and hasattr(data.module, "axis_options"):
            axes = data.module.axis_options
            ours = [_axis(data.module, field) for field in (PRESET, *FIELDS)]
            labels = {axis.label for axis in ours}
            # the older ToDo extension has axes with the same prefix
            axes[:] = [axis for axis in axes if axis.label not in labels] + ours


def _axis(xyz_grid: Any, field: Field) -> Any:
    label = PREFIX + field.name.replace("_", " ")
    choices = ["True", "False"] if field.kind is bool else list(field.choices)
    kind: Any = field.read
    more: dict[str, Any] = {"choices": lambda: choices}
    if not choices:
        # by these types the plot reads ranges, too
        kind, more = field.kind, {}
        if "prepare" in inspect.signature(xyz_grid.AxisOption).parameters:
            # SD.Next's plot and those before 1.7 do not prepare values
            more["prepare"] = functools.partial(_prepare, xyz_grid, field)

    def apply(p: Any, value: Any, values: Any) -> None:
        # a new dict, since cells are shallow copies of one p
        setattr(p, OVERRIDES, {**getattr(p, OVERRIDES, {}), field.name: value})

    def format_value(p: Any, axis: Any, value: Any) -> str:
        _check_cells(p)
        return f"{axis.label}: {on_page(field, field.check(value))}"

    def confirm(p: Any, values: list[Any]) -> None:
        """Note the values for `_check_cells`."""
        if not [value for value in values if value != ""]:
            raise SettingsRefused(SettingsError(label, "", "given at least one value"))
        setattr(p, AXES, {**getattr(p, AXES, {}), field.name: values})

    return xyz_grid.AxisOption(label, kind, apply, format_value, confirm=confirm, **more)


def _prepare(xyz_grid: Any, field: Field, text: str) -> list[str]:
    """What was typed, split as the plot would; refused is what is neither a number nor a range.

    Otherwise the plot would only say that a conversion failed, and the API answer with status 500.
    """
    values = [field.read(part) for part in xyz_grid.csv_string_to_list_strip(text)]
    for value in values:
        # 1-4, 1-4 (+1) and 1-4 [4] are ranges
        if isinstance(value, str) and value and "-" not in value[1:]:
            raise SettingsRefused(SettingsError(field.name, value, field.allowed))
    # int("8.0"), the plot's own conversion, would fail
    return [str(value).removesuffix(".0") for value in values]


def _check_cells(p: Any) -> None:
    """Check the settings of every cell before the first one, when all axes are known.

    Values that are right by themselves may conflict with the tab's or with another axis'. The plot
    would leave such a cell blank and go on; now the API answers with status 422.
    """
    axes: dict[str, list[Any]] = vars(p).pop(AXES, {})
    # the values of our controls in the tab or in the request
    asked: Any = [False]
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", ()):
        if script.title() == "ToDo":
            asked = p.script_args[script.args_from : script.args_to]
    for values in itertools.product(*axes.values()):
        cell = types.SimpleNamespace(is_api=True, **{OVERRIDES: dict(zip(axes, values))})
        try:
            read_settings(cell, asked)
        except SettingsError as error:
            # SD.Next only logs this, and its page then generates from `p`: it is refused there
            setattr(p, OVERRIDES, getattr(cell, OVERRIDES))
            raise SettingsRefused(error) from None
