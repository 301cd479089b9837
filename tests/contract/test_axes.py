"""Our axes in the host's X/Y/Z plot, next to other extensions' axes."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable
from typing import Any

import pytest

from lib_todo.settings import FIELDS


@dataclasses.dataclass
class AxisOption:
    """As the plot has them."""

    label: str
    type: Any
    apply: Any
    confirm: Any = None
    prepare: Any = None
    choices: Callable[[], list[str]] | None = None


@pytest.fixture
def plot() -> Any:
    ranges = ("re_range", "re_range_count", "re_range_float", "re_range_count_float")
    return types.SimpleNamespace(
        AxisOption=AxisOption,
        axis_options=[AxisOption("Seed", int, None)],
        **dict.fromkeys(ranges, re.compile(".*-.*")),
    )


def test_added_again_they_are_there_once_and_others_stay(host: Any, plot: Any) -> None:
    """The older ToDo extension's have the same prefix, whichever is loaded first."""
    from lib_todo.hosts.webui import xyz

    scripts_data = [types.SimpleNamespace(path="/webui/scripts/xyz_grid.py", module=plot)]
    older = [
        AxisOption(f"[ToDo] {name}", float, None) for name in ("Downsampling factor", "Max depth")
    ]
    plot.axis_options.append(older[0])
    xyz.add_axes(scripts_data)
    plot.axis_options.append(older[1])
    xyz.add_axes(scripts_data)
    labels = [axis.label for axis in plot.axis_options]
    assert len(labels) == len(set(labels)) == 1 + len(older) + 1 + len(FIELDS)
    assert {axis.label for axis in older} < set(labels)


def test_without_a_plot_nothing_happens(host: Any) -> None:
    from lib_todo.hosts.webui import xyz

    xyz.add_axes([types.SimpleNamespace(path="/webui/scripts/other.py", module=object())])
