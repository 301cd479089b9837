"""Our axes in the host's X/Y/Z plot, next to other extensions' axes."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from lib_todo import Settings
from lib_todo.settings import FIELDS, METHODS


@dataclasses.dataclass
class AxisOption:
    """As the plot has them."""

    label: str
    type: Any
    apply: Any
    format_value: Any = None
    confirm: Any = None
    prepare: Any = None
    choices: Callable[[], list[str]] | None = None


@pytest.fixture
def plot() -> Any:
    return types.SimpleNamespace(
        AxisOption=AxisOption,
        axis_options=[AxisOption("Seed", int, None)],
        csv_string_to_list_strip=lambda text: [part.strip() for part in text.split(",")],
    )


@pytest.fixture
def plots(host: Any, plot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    from lib_todo.hosts.webui import plots

    found = [
        types.SimpleNamespace(path=f"/webui/scripts/{name}.py", module=module)
        for name, module in (("xyz_grid", plot), ("other", object()))
    ]
    scripts = types.SimpleNamespace(scripts_data=found)
    monkeypatch.setattr(sys.modules["modules"], "scripts", scripts, raising=False)
    return plots


def test_added_again_they_are_there_once_and_others_stay(plots: Any, plot: Any) -> None:
    """The older ToDo extension's have the same prefix, whichever is loaded first."""
    older = [
        AxisOption(f"[ToDo] {name}", float, None) for name in ("Downsampling factor", "Max depth")
    ]
    for axis in older:
        plot.axis_options.append(axis)
        plots.add_axes()
    labels = [axis.label for axis in plot.axis_options]
    assert len(labels) == len(set(labels)) == 1 + len(older) + 1 + len(FIELDS)
    assert {axis.label for axis in older} < set(labels)


class Plot:
    """The plot's run, as far as axes see it: all are confirmed, then labelled, before any cell."""

    def __init__(self, plots: Any, plot: Any, *args: Any) -> None:
        plots.add_axes()
        self.axes = {axis.label.removeprefix(plots.PREFIX): axis for axis in plot.axis_options}
        script = types.SimpleNamespace(title=lambda: "ToDo", args_from=1, args_to=1 + len(args))
        scripts = types.SimpleNamespace(alwayson_scripts=[script])
        self.p = types.SimpleNamespace(scripts=scripts, script_args=(0, *args))

    def labels(self, **values: list[Any]) -> list[list[str]]:
        for name, chosen in values.items():
            self.axes[name].confirm(self.p, chosen)
        return [
            [self.axes[name].format_value(self.p, self.axes[name], value) for value in chosen]
            for name, chosen in values.items()
        ]


def test_labels_name_the_values(plots: Any, plot: Any) -> None:
    labels = Plot(plots, plot).labels(factor=[0, 2.5], preset=["fast"], threshold=[32.0])
    assert labels == [
        ["[ToDo] factor: automatic", "[ToDo] factor: 2.5"],
        ["[ToDo] preset: fast"],
        ["[ToDo] threshold: 32"],
    ]


def test_what_is_typed_is_read_as_the_plot_does_and_refused_by_name(plots: Any, plot: Any) -> None:
    axes = Plot(plots, plot).axes
    assert axes["threshold"].prepare("8.0, 16 , 1-9 (+2)") == ["8", "16", "1-9 (+2)"]
    assert axes["factor"].prepare("Automatic, 2.0, 2.5,") == ["0", "2", "2.5", ""]
    with pytest.raises(plots.SettingsRefused, match=r"threshold = 'wide' .*a whole number"):
        axes["threshold"].prepare("8, wide")
    # what the plot offers; anything else is left to the check
    typed = [*axes["enabled"].choices(), "TRUE ", "maybe"]
    assert [axes["enabled"].type(text) for text in typed] == [True, False, True, "maybe"]
    assert axes["preset"].type("fast") == "fast"
    assert axes["method"].choices() == list(METHODS)
    assert axes["preset"].prepare is axes["method"].prepare is None
    # what SD.Next writes into its log
    assert all(axis.type.__name__ for axis in axes.values())


@pytest.mark.parametrize(
    "values",
    [
        *({"start": [0.0, 0.9]}, {"start": [0.9], "end": [1.0, 0.8]}, {"factor": [9.0]}),
        *({"preset": []}, {"preset": [""]}),
    ],
)
def test_a_cell_that_cannot_be_made_is_refused_before_the_first(
    plots: Any, plot: Any, values: dict[str, list[Any]]
) -> None:
    """By itself, beside the tab's (where End is 0.5), and beside another axis'."""
    run = Plot(plots, plot, *vars(Settings(end=0.5)).values())
    # together they may allow what the tab would not
    assert run.labels(start=[0.6], end=[0.9])
    with pytest.raises(plots.SettingsRefused) as refused:
        run.labels(**values)
    assert refused.value.status_code == 422
    assert ("given at least one value" in refused.value.detail) is ("preset" in values)
