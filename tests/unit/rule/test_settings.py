"""The settings: defaults, the bounds of every field, and the texts of refusals."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
FACTORS = ("factor", "deep_factor")
FRACTIONS = ("start", "end")
SCALES = ("scale", "deep_scale")
NUMBERS = (*FACTORS, "threshold", *SCALES, *FRACTIONS)
CHOICES = {
    "method": ("nearest", "nearest-exact", "average", "max", "bilinear"),
    "phase": ("moving", "fixed"),
    "passes": ("both", "first", "hires"),
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

ACCEPTED = [
    *[(name, value) for name in FACTORS for value in (0, 0.0, 1, 1.0, 1.25, 2, 7.999, 8, 8.0)],
    *[("threshold", value) for value in (1, 2, 64, 64.0, 511, 512, 512.0)],
    *[(name, value) for name in SCALES for value in (0.1, 1, 1.5, 4, 4.0)],
    ("deep_scale", 0),
    *[("start", value) for value in (0, 0.0, 5e-324, 0.5, 1, 1.0)],
    *[("end", value) for value in (0, 0.0, 0.5, math.nextafter(1, 0), 1, 1.0)],
    *[(name, value) for name, values in CHOICES.items() for value in values],
    ("enabled", True),
    ("enabled", False),
]
OUT_OF_BOUNDS = [
    *[
        (name, value)
        for name in FACTORS
        for value in (-1, -0.5, 5e-324, 0.5, math.nextafter(1, 0), math.nextafter(8, 9), 9, 10**400)
    ],
    *[("threshold", value) for value in (-64, -1, 0, 0.0, 0.5, 1.5, 63.999, 513, 512.5, 10**400)],
    ("scale", 0),
    *[(name, value) for name in SCALES for value in (-1, 0.05, math.nextafter(4, 5), 5, 10**400)],
    *[
        (name, value)
        for name in FRACTIONS
        for value in (-5e-324, -1, math.nextafter(1, 2), 1.05, 2, 100)
    ],
    *[
        (name, value)
        for name in NUMBERS
        for value in (math.nan, math.inf, -math.inf, np.float64("nan"))
    ],
]
WRONG_TYPE = [
    *[
        (name, value)
        for name in NUMBERS
        for value in (True, False, "2", "", "nan", None, [1], {}, 1j, (1,), b"1")
    ],
    *[
        (name, value)
        for name in CHOICES
        for value in (None, 0, True, [], ["nearest"], {}, b"both", 1.5)
    ],
    *[("enabled", value) for value in (0, 1, 0.0, 1.0, "true", "True", "", None, [], [True], {})],
]
UNKNOWN_NAME = [
    ("method", "Nearest"),
    ("method", "nearest "),
    ("method", "bicubic"),
    ("method", ""),
    ("method", "both"),
    ("phase", "Moving"),
    ("phase", "still"),
    ("passes", "second"),
    ("passes", "First"),
    ("passes", "both,first"),
    ("passes", ""),
]


def test_the_defaults_are_the_issues() -> None:
    assert dataclasses.asdict(Settings()) == DEFAULTS
    assert list(dataclasses.asdict(Settings())) == list(DEFAULTS)


def test_the_table_and_the_class_tell_the_same() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(Settings)}
    assert fields == {field.name: field.default for field in FIELDS}
    assert list(fields) == [field.name for field in FIELDS]
    assert {field.name: field.allowed for field in FIELDS} == ALLOWED


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepted_in_the_fields_own_type(name: str, value: Any) -> None:
    settings = Settings(**{name: value})
    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is BY_NAME[name].kind


@pytest.mark.parametrize(("name", "value"), OUT_OF_BOUNDS + WRONG_TYPE + UNKNOWN_NAME)
def test_refused_in_words_that_help(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**{name: value})
    error, text = caught.value, str(caught.value)
    assert (error.field, error.allowed) == (name, ALLOWED[name])
    assert error.value is value
    shown = repr(value) if len(repr(value)) < 60 else repr(value)[:10]
    assert text.startswith(f"ToDo: {name} = {shown}")
    assert text.endswith(f"{name} must be {ALLOWED[name]}")


def test_an_error_is_a_value_error() -> None:
    assert issubclass(SettingsError, ValueError)


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.4), (1, 0), (5e-324, 0.0)])
def test_start_after_end_is_refused(start: float, end: float) -> None:
    with pytest.raises(SettingsError, match=r"ToDo: start = .*no greater than end") as caught:
        Settings(start=start, end=end)
    assert f"({end:g})" in str(caught.value)
    assert repr(float(start)) in str(caught.value)


@pytest.mark.parametrize("both", [0, 0.5, 1])
def test_an_empty_window_is_allowed(both: float) -> None:
    settings = Settings(start=both, end=both)
    assert settings.start == settings.end == both


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_immutable(name: str) -> None:
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, name, DEFAULTS[name])
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(settings, name)
    assert settings == Settings()
    assert hash(settings) == hash(Settings())


def test_a_replaced_copy_is_checked_too() -> None:
    with pytest.raises(SettingsError, match="factor"):
        dataclasses.replace(Settings(), factor=0.5)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 100_000,
        list(range(100_000)),
        {"a": {"b": {"c": {"d": {"e": 1}}}}},
        10**5000,
        [10**5000],
    ],
    ids=["long text", "long list", "deep object", "huge number", "list of a huge number"],
)
def test_a_huge_value_makes_no_huge_message(value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(factor=value)
    assert str(caught.value).startswith("ToDo: factor = ")
    assert len(str(caught.value)) < 400


@given(
    name=st.sampled_from(NUMBERS),
    value=st.floats() | st.integers() | st.booleans() | st.text(max_size=5) | st.none(),
)
def test_numbers_are_taken_exactly_when_the_issue_says_so(name: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name in FACTORS:
        allowed = number and (value == 0 or 1 <= value <= 8)
    elif name in SCALES:
        allowed = number and (0.1 <= value <= 4 or (name == "deep_scale" and value == 0))
    elif name in FRACTIONS:
        allowed = number and 0 <= value <= 1
    else:
        allowed = number and value in range(1, 513)
    if allowed:
        assert getattr(Settings(**{name: value}), name) == value
    else:
        with pytest.raises(SettingsError):
            Settings(**{name: value})


@pytest.mark.parametrize("two", [np.int64(2), np.float32(2), torch.tensor(2), torch.tensor(2.0)])
def test_scalars_of_numpy_and_torch_are_numbers(two: object) -> None:
    settings = Settings(factor=two, threshold=two)
    assert settings == Settings(factor=2, threshold=2)
    assert (type(settings.factor), type(settings.threshold)) == (float, int)


def test_scalars_are_held_to_the_same_bounds() -> None:
    with pytest.raises(SettingsError, match="factor"):
        Settings(factor=np.float64(0.5))
    with pytest.raises(SettingsError, match="factor"):
        Settings(factor=torch.tensor([2.0, 3.0]))
