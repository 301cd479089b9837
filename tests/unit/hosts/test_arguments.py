"""A generation's settings from the page, the API and the X/Y/Z plot; presets by name."""

from __future__ import annotations

import types
from typing import Any

import pytest

from lib_todo import Settings, SettingsError
from lib_todo.hosts.webui.request import (
    OVERRIDES,
    from_infotext,
    from_page,
    in_words,
    preset_of,
    read_settings,
    to_infotext,
)
from lib_todo.settings import BY_NAME, FIELDS, PRESETS

# what the tab sends, and what the host fills an API request up with
DEFAULTS = [False, *(field.default for field in FIELDS[1:])]
TICKED = [True, *DEFAULTS[1:]]


def processing(is_api: bool, **overrides: Any) -> types.SimpleNamespace:
    """A processing object as the API or the tabs make it, and an axis' values."""
    given = {"is_api": True} if is_api else {}
    return types.SimpleNamespace(**given, **({OVERRIDES: overrides} if overrides else {}))


PAGE, API = processing(False), processing(True)


def filled(*given: Any) -> list[Any]:
    """A request's `args`, the way the host lays them over the defaults; surplus is dropped."""
    return [*given, *DEFAULTS[len(given) :]][: len(DEFAULTS)]


@pytest.mark.parametrize("p", [PAGE, API])
def test_the_values_as_they_are(p: Any) -> None:
    assert read_settings(p, DEFAULTS) == Settings(enabled=False)
    assert read_settings(p, TICKED) == Settings()
    changed = {"factor": 2.5, "threshold": 32, "method": "max", "end": 0.75, "passes": "hires"}
    given = vars(Settings()) | changed
    assert read_settings(p, tuple(given.values())) == Settings(**changed)
    assert read_settings(p, filled({"factor": 2})) == Settings(factor=2)
    # a factor as its control shows it: script-info tells these names, and the host fills them in
    for shown, factor in (("automatic", 0), ("2", 2), ("2.25", 2.25)):
        assert read_settings(p, filled(True, shown)) == Settings(factor=factor)


POSITIONAL = [False, 2.5, 3, 32, 1.25, 0.5, "max", "fixed", 0.25, 0.75, "hires", 0.5]


@pytest.mark.parametrize("count", range(len(FIELDS) + 1))
def test_positional_in_the_order_of_the_fields(count: int) -> None:
    named = dict(zip(BY_NAME, POSITIONAL[:count]))
    assert read_settings(API, tuple(POSITIONAL[:count])) == Settings(**named)
    # one object with the same names; it switches on, unless it says otherwise
    assert read_settings(API, [named]) == Settings(**named)
    for name, value in named.items():
        assert read_settings(API, [{name: value}]) == Settings(**{name: value})


def test_what_an_object_leaves_out_comes_from_the_values_after_it() -> None:
    first = {"factor": 4, "passes": "first"}
    wanted = Settings(**{**dict(zip(BY_NAME, POSITIONAL)), "enabled": True, **first})
    assert read_settings(API, [first, 2, *POSITIONAL[2:]]) == wanted
    assert first == {"factor": 4, "passes": "first"}
    assert read_settings(API, [{"enabled": False}, 2]) == Settings(enabled=False, factor=2)


def test_every_step_of_a_factors_control_is_allowed() -> None:
    shown = BY_NAME["factor"].numbers
    assert (shown[0], shown[1], shown[-1]) == ("automatic", "1", "8")
    for text in shown:
        BY_NAME["factor"].check(from_page({"factor": text})["factor"])


@pytest.mark.parametrize("bad", [0.5, "0.5", "two", None, True, [2]])
def test_only_an_unticked_box_of_the_page_is_not_looked_behind(bad: Any) -> None:
    assert read_settings(PAGE, filled(False, bad)) == Settings(enabled=False)
    axis = processing(False, deep_factor=2)
    for p, enabled in ((API, True), (API, False), (PAGE, True), (axis, False)):
        with pytest.raises(SettingsError, match="ToDo: factor = "):
            read_settings(p, filled(enabled, bad))


@pytest.mark.parametrize("is_api", [False, True])
@pytest.mark.parametrize(
    ("overrides", "values", "expected"),
    [
        ({"factor": 2.0}, DEFAULTS, Settings(factor=2)),
        ({"factor": 2.0}, filled(True, 4, 0, 32), Settings(factor=2, threshold=32)),
        ({"enabled": False}, TICKED, Settings(enabled=False)),
        ({"enabled": False, "factor": 2.0}, TICKED, Settings(enabled=False, factor=2)),
        # only together allowed, beside a window of the tab's that they would not fit
        (
            {"start": 0.6, "end": 0.9},
            list(vars(Settings(end=0.5)).values()),
            Settings(start=0.6, end=0.9),
        ),
    ],
)
def test_an_axis_goes_over_the_values_and_switches_on(
    is_api: bool, overrides: dict[str, Any], values: list[Any], expected: Settings
) -> None:
    p, before = processing(is_api, **overrides), list(values)
    assert read_settings(p, values) == expected
    assert (values, getattr(p, OVERRIDES)) == (before, overrides)


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
        read_settings(processing(False, **overrides), TICKED)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "label"), [("factor", ""), ("deep_factor", " (Factor for deeper")]
)
def test_an_error_names_the_control_where_the_setting_has_another_name(
    name: str, label: str
) -> None:
    error = SettingsError(name, 9, "allowed")
    assert in_words(error).startswith(f"{error}{label}")
    assert in_words(error).endswith("on the page)" if label else "allowed")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_by_name(name: str) -> None:
    made = Settings.from_preset(name)
    assert Settings.from_preset(preset_of(vars(made))) == made
    # the window, the passes and the threshold are no part of one
    assert preset_of(vars(Settings.from_preset(name, end=0.35, threshold=96))) == name
    assert preset_of(vars(Settings.from_preset(name, scale=0.7))) == "custom"
    # in a request, an axis' and an image's text, also where the page stands on another one
    others = list(vars(Settings.from_preset("fast")).values())[1:]
    wanted = Settings.from_preset(name, threshold=17)
    assert read_settings(API, [{"preset": name, "threshold": 17}, *others]) == wanted
    assert read_settings(processing(False, preset=name), [False, *others]) == made
    assert Settings.from_preset(to_infotext(made)["ToDo preset"]) == made
    assert Settings(**from_infotext({"ToDo preset": name})) == made
