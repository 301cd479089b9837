"""The API's arguments: positional, one object, both, surplus and wrong values."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Settings, SettingsError

NAMES = [
    *("enabled", "factor", "deep_factor", "threshold", "scale", "deep_scale", "method", "phase"),
    *("start", "end", "passes", "above"),
]
POSITIONAL = [False, 2.5, 3, 32, 1.25, 0.5, "max", "fixed", 0.25, 0.75, "hires", 0.5]
WANTED = Settings(
    enabled=False,
    factor=2.5,
    deep_factor=3,
    threshold=32,
    scale=1.25,
    deep_scale=0.5,
    method="max",
    phase="fixed",
    start=0.25,
    end=0.75,
    passes="hires",
    above=0.5,
)


@pytest.mark.parametrize("count", range(len(POSITIONAL) + 1))
def test_positional_in_the_order_of_the_fields(count: int) -> None:
    given_values = dict(zip(NAMES[:count], POSITIONAL))
    assert Settings.from_args(POSITIONAL[:count]) == Settings(**given_values)
    assert Settings.from_args(tuple(POSITIONAL)) == WANTED


def test_one_object_with_the_same_names() -> None:
    assert Settings.from_args([dict(zip(NAMES, POSITIONAL))]) == WANTED


def test_an_empty_object_asks_for_the_defaults() -> None:
    assert Settings.from_args([{}]) == Settings(enabled=True)


@pytest.mark.parametrize("name", NAMES)
def test_an_object_may_leave_out_all_but_one(name: str) -> None:
    value = dict(zip(NAMES, POSITIONAL))[name]
    assert Settings.from_args([{name: value}]) == Settings(**{name: value})


def test_what_an_object_leaves_out_comes_from_the_values_after_it() -> None:
    mixed = [{"factor": 4, "passes": "first"}, *POSITIONAL[1:]]
    assert Settings.from_args(mixed) == dataclasses.replace(
        WANTED, enabled=True, factor=4, passes="first"
    )


def test_an_object_can_switch_off() -> None:
    assert Settings.from_args([{"enabled": False}, 2]) == Settings(enabled=False, factor=2)


@pytest.mark.parametrize("first", [False, {"factor": 2}], ids=["positional", "object"])
def test_too_many_values(first: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_args([first, *POSITIONAL[1:], "surplus"])
    text = str(caught.value)
    assert text.startswith("ToDo: args = [")
    assert "at most 12 values" in text
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize("name", ["ratio", "Factor", "factor ", "", "args", 1, None, ("factor",)])
def test_an_unknown_name_is_named_with_what_is_known(name: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_args([{"factor": 2, name: 2}])
    text = str(caught.value)
    assert repr(name) in text
    assert all(known in text for known in NAMES)


@pytest.mark.parametrize("position", range(len(NAMES)))
@pytest.mark.parametrize("bad", [None, "nonsense", [], 1e9], ids=repr)
def test_a_bad_value_names_its_field_wherever_it_stands(position: int, bad: Any) -> None:
    name = NAMES[position]
    positional = [*POSITIONAL[:position], bad, *POSITIONAL[position + 1 :]]
    for args in (positional, [dict(zip(NAMES, positional))], [{name: bad}]):
        with pytest.raises(SettingsError) as caught:
            Settings.from_args(args)
        assert caught.value.field == name
        assert str(caught.value).startswith(f"ToDo: {name} = ")


@pytest.mark.parametrize("second", [{"factor": 2}, [2], None], ids=repr)
def test_an_object_is_only_taken_as_the_first(second: Any) -> None:
    with pytest.raises(SettingsError, match="ToDo: factor = "):
        Settings.from_args([True, second])


def test_a_bad_value_after_an_object_that_overrides_it_is_not_looked_at() -> None:
    assert Settings.from_args([{"factor": 2}, "not looked at"]).factor == 2


def test_the_object_is_not_changed() -> None:
    mapping = {"factor": 2}
    Settings.from_args([mapping, 3, 4])
    assert mapping == {"factor": 2}


@given(
    threshold=st.integers(1, 512),
    factor=st.integers(1, 8),
    as_float=st.booleans(),
)
def test_json_and_sliders_may_write_whole_numbers_either_way(
    threshold: int, factor: int, as_float: bool
) -> None:
    kind = float if as_float else int
    settings = Settings.from_args([True, kind(factor), 0, kind(threshold)])
    assert (settings.threshold, type(settings.threshold)) == (threshold, int)
    assert (settings.factor, type(settings.factor)) == (factor, float)
