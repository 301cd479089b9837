"""The settings: defaults, bounds, the texts of refusals, and what a request may pass."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from lib_todo import Settings, SettingsError
from lib_todo.settings import BY_NAME, FIELDS

DEFAULTS = {
    "enabled": True,
    "factor": 0.0,
    "deep_factor": 0.0,
    "threshold": 64,
    "scale": 1.5,
    "deep_scale": 1.0,
    "method": "nearest",
    "phase": "moving",
    "start": 0.0,
    "end": 1.0,
    "passes": "both",
    "above": 1.0,
}
# what a message must say is allowed
ALLOWED = {
    "enabled": "true or false",
    "factor": "0 (automatic) or a number from 1 to 8",
    "deep_factor": "0 (automatic) or a number from 1 to 8",
    "threshold": "a whole number from 1 to 512",
    "scale": "a number from 0.1 to 4",
    "deep_scale": "0 (by the threshold, as in the paper) or a number from 0.1 to 4",
    "phase": "one of moving, fixed",
    "method": "one of nearest, nearest-exact, average, max, bilinear",
    "start": "a number from 0 to 1",
    "end": "a number from 0 to 1",
    "passes": "one of both, first, hires",
    "above": "a number from 0.1 to 8",
}
BOUNDS = {
    **dict.fromkeys(("factor", "deep_factor"), (1, 8)),
    "threshold": (1, 512),
    **dict.fromkeys(("scale", "deep_scale"), (0.1, 4)),
    **dict.fromkeys(("start", "end"), (0, 1)),
    "above": (0.1, 8),
}
MAY_BE_ZERO = ("factor", "deep_factor", "deep_scale")
CHOICES = {
    "method": ("nearest", "nearest-exact", "average", "max", "bilinear"),
    "phase": ("moving", "fixed"),
    "passes": ("both", "first", "hires"),
}
VALUES = [
    *(number for bounds in BOUNDS.values() for number in bounds),
    *(math.nextafter(high, math.inf) for _, high in BOUNDS.values()),
    *(math.nextafter(low, -math.inf) for low, _ in BOUNDS.values()),
    *(-1, -0.5, 0.0, 5e-324, 0.05, 1.25, 2, 63.999, 64.0, 512.0, 512.5, 513, 10**400),
    *(math.nan, math.inf, -math.inf, np.float64("nan")),
    *(True, False, "2", "", "nan", "true", None, [], [1], [True], {}, 1j, (1,), b"1", b"both"),
    *(name for names in CHOICES.values() for name in names),
    *("Nearest", "nearest ", "bicubic", "second", "First", "both,first", ["nearest"]),
]


def is_allowed(name: str, value: Any) -> bool:
    if name == "enabled":
        return isinstance(value, bool)
    if name in CHOICES:
        return isinstance(value, str) and value in CHOICES[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    low, high = BOUNDS[name]
    if not low <= value <= high:
        return value == 0 and name in MAY_BE_ZERO
    return name != "threshold" or value % 1 == 0


def test_the_defaults_and_the_table() -> None:
    assert list(dataclasses.asdict(Settings()).items()) == list(DEFAULTS.items())
    assert {field.name: field.default for field in FIELDS} == DEFAULTS
    assert {field.name: field.allowed for field in FIELDS} == ALLOWED


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_is_allowed_comes_in_the_fields_own_type_and_all_else_is_refused(name: str) -> None:
    for value in VALUES:
        values = {"start": 0, "end": 1, name: value}
        if is_allowed(name, value):
            taken = getattr(Settings(**values), name)
            assert taken == value
            assert type(taken) is BY_NAME[name].kind is type(DEFAULTS[name])
            continue
        with pytest.raises(SettingsError) as caught:
            Settings(**values)
        error, text = caught.value, str(caught.value)
        assert (error.field, error.allowed) == (name, ALLOWED[name])
        assert error.value is value
        shown = repr(value) if len(repr(value)) < 60 else repr(value)[:10]
        assert text.startswith(f"ToDo: {name} = {shown}")
        assert text.endswith(f"{name} must be {ALLOWED[name]}")
        assert isinstance(error, ValueError)


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.4), (1, 0), (5e-324, 0.0)])
def test_start_after_end_is_refused(start: float, end: float) -> None:
    with pytest.raises(SettingsError, match=r"ToDo: start = .*no greater than end") as caught:
        Settings(start=start, end=end)
    assert f"({end:g})" in str(caught.value)
    assert repr(float(start)) in str(caught.value)
    # an empty window is allowed
    assert Settings(start=start, end=start).end == start


@pytest.mark.parametrize(
    "value",
    ["x" * 100_000, list(range(100_000)), {"a": {"b": {"c": {"d": {}}}}}, 10**5000, [10**5000]],
    ids=["long text", "long list", "deep object", "huge number", "list of a huge number"],
)
def test_a_huge_value_makes_no_huge_message(value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(factor=value)
    assert str(caught.value).startswith("ToDo: factor = ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("two", [np.int64(2), np.float32(2), torch.tensor(2), torch.tensor(2.0)])
def test_scalars_of_numpy_and_torch_are_numbers(two: Any) -> None:
    settings = Settings(factor=two, threshold=two)
    assert settings == Settings(factor=2, threshold=2)
    assert (type(settings.factor), type(settings.threshold)) == (float, int)
    for refused in (two / 4, torch.tensor([2.0, 3.0])):
        with pytest.raises(SettingsError, match="factor"):
            Settings(factor=refused)


# a request's arguments

NAMES = list(DEFAULTS)
POSITIONAL = [False, 2.5, 3, 32, 1.25, 0.5, "max", "fixed", 0.25, 0.75, "hires", 0.5]
WANTED = Settings(**dict(zip(NAMES, POSITIONAL)))


@pytest.mark.parametrize("count", range(len(NAMES) + 1))
def test_positional_in_the_order_of_the_fields(count: int) -> None:
    named = dict(zip(NAMES[:count], POSITIONAL))
    assert Settings.from_args(tuple(POSITIONAL[:count])) == Settings(**named)
    # one object with the same names; it switches on, unless it says otherwise
    assert Settings.from_args([named]) == Settings(**named)
    for name, value in named.items():
        assert Settings.from_args([{name: value}]) == Settings(**{name: value})


def test_what_an_object_leaves_out_comes_from_the_values_after_it() -> None:
    first = {"factor": 4, "passes": "first"}
    wanted = dataclasses.replace(WANTED, enabled=True, factor=4, passes="first")
    assert Settings.from_args([first, "not looked at", *POSITIONAL[2:]]) == wanted
    assert first == {"factor": 4, "passes": "first"}
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
    assert all(known in text for known in ["preset", *NAMES])
