"""A generation's settings from the page, the API and the X/Y/Z plot."""

from __future__ import annotations

import types
from typing import Any

import pytest

from lib_todo import Settings, SettingsError
from lib_todo.hosts.webui.request import (
    OVERRIDES,
    choices_on_page,
    from_page,
    read_settings,
)
from lib_todo.settings import BY_NAME, FIELDS

# what the tab sends, and what the host fills an API request up with
DEFAULTS = [False, *(field.default for field in FIELDS[1:])]
DEFAULT_VALUES = {field.name: field.default for field in FIELDS[1:]}
TICKED = [True, *DEFAULTS[1:]]


def page(**attributes: Any) -> types.SimpleNamespace:
    """A processing object as the tabs make it."""
    return types.SimpleNamespace(**attributes)


def api(**attributes: Any) -> types.SimpleNamespace:
    """A processing object as the API makes it."""
    return types.SimpleNamespace(is_api=True, **attributes)


def filled(*given: Any) -> list[Any]:
    """A request's `args`, the way the host lays them over the defaults; surplus is dropped."""
    return [*given, *DEFAULTS[len(given) :]][: len(DEFAULTS)]


@pytest.mark.parametrize("make", [page, api])
def test_the_values_as_they_are(make: Any) -> None:
    assert read_settings(make(), DEFAULTS) == Settings(enabled=False)
    assert read_settings(make(), TICKED) == Settings()
    changed = {"factor": 2.5, "deep_factor": 3, "threshold": 32, "method": "max"}
    changed |= {"start": 0.25, "end": 0.75, "passes": "hires"}
    values = [True, *({**DEFAULT_VALUES, **changed}[name] for name in DEFAULT_VALUES)]
    assert read_settings(make(), values) == Settings(
        factor=2.5,
        deep_factor=3,
        threshold=32,
        method="max",
        start=0.25,
        end=0.75,
        passes="hires",
    )
    assert read_settings(make(), tuple(values)) == read_settings(make(), values)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([{"enabled": True, "factor": 2}], Settings(factor=2)),
        ([{"factor": 2}], Settings(factor=2)),
        ([{"enabled": False}], Settings(enabled=False)),
        ([True, 2], Settings(factor=2)),
        ([True], Settings()),
    ],
)
def test_one_object_or_some_values(given: list[Any], expected: Settings) -> None:
    assert read_settings(api(), filled(*given)) == expected


@pytest.mark.parametrize("bad", [0.5, "0.5", "two", None, True, [2]])
def test_a_bad_value_is_an_error_from_the_api_ticked_or_not(bad: Any) -> None:
    for enabled in (True, False):
        with pytest.raises(SettingsError, match="ToDo: factor = "):
            read_settings(api(), filled(enabled, bad))
    with pytest.raises(SettingsError, match="ToDo: factor = "):
        read_settings(page(), filled(True, bad))


@pytest.mark.parametrize(("shown", "factor"), [("automatic", 0), ("2", 2), ("2.25", 2.25)])
def test_a_factor_may_come_as_its_control_shows_it(shown: str, factor: float) -> None:
    """The control is a list of names: script-info tells them, and the host fills them in."""
    for p in (api(), page()):
        assert read_settings(p, filled(True, shown)) == Settings(factor=factor)


@pytest.mark.parametrize("emptied", [None, "", 16.5])
def test_an_emptied_or_broken_number_is_refused_by_name(emptied: Any) -> None:
    with pytest.raises(SettingsError, match="ToDo: threshold = "):
        read_settings(page(), filled(True, 0, 0, emptied))


def test_every_step_of_a_factors_control_is_allowed() -> None:
    shown = choices_on_page(BY_NAME["factor"])
    assert (shown[0], shown[1], shown[-1]) == ("automatic", "1", "8")
    for text in shown:
        BY_NAME["factor"].check(from_page(BY_NAME["factor"], text))


def test_an_unticked_box_of_the_page_is_not_looked_behind() -> None:
    broken = [False, "broken", None, -1, "", 7, 8, "x"]
    assert read_settings(page(), broken) == Settings(enabled=False)
    with pytest.raises(SettingsError):
        read_settings(page(**{OVERRIDES: {"factor": 2}}), broken)


@pytest.mark.parametrize("make", [page, api])
def test_an_axis_goes_over_the_values_and_switches_on(make: Any) -> None:
    p = make(**{OVERRIDES: {"factor": 2.0}})
    assert read_settings(p, DEFAULTS) == Settings(factor=2)
    assert read_settings(p, filled(True, 4, 0, 32)) == Settings(factor=2, threshold=32)


def test_an_axis_for_the_box_itself() -> None:
    off = page(**{OVERRIDES: {"enabled": False}})
    assert read_settings(off, TICKED) == Settings(enabled=False)
    both = page(**{OVERRIDES: {"enabled": False, "factor": 2.0}})
    assert read_settings(both, TICKED) == Settings(enabled=False, factor=2)


def test_axes_over_values_that_only_together_are_allowed() -> None:
    """Start and end each from an axis, beside a window of the tab's that they would not fit."""
    p = page(**{OVERRIDES: {"start": 0.6, "end": 0.9}})
    values = [True, *(DEFAULT_VALUES | {"end": 0.5}).values()]
    assert read_settings(p, values) == Settings(start=0.6, end=0.9)


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"factor": 0.5}, "factor"),
        ({"enabled": "maybe"}, "enabled"),
        ({"start": 0.9, "end": 0.1}, "start"),
        ({"ratio": 2}, "name of a setting"),
    ],
)
def test_a_bad_axis_value_is_an_error(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(page(**{OVERRIDES: overrides}), TICKED)
    assert caught.value.field == field


def test_nothing_is_written_to_what_was_given() -> None:
    values, overrides = list(TICKED), {"factor": 2.0}
    p = api(**{OVERRIDES: overrides})
    read_settings(p, values)
    assert values == TICKED
    assert vars(p) == {"is_api": True, OVERRIDES: {"factor": 2.0}}
    assert overrides == {"factor": 2.0}
