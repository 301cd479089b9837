"""The settings: defaults, bounds, refusals, presets, and what a request may pass."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from lib_todo import Settings, SettingsError
from lib_todo.plan import layer_factor, pooled_grid
from lib_todo.settings import BY_NAME, FIELDS, METHODS, PRESET, PRESETS

# by field: the default, the bounds or choices, and what a message must say is allowed
TABLE: dict[str, tuple[Any, Any, str]] = {
    "enabled": (True, (True, False), "true or false"),
    "factor": (0.0, (1, 8), "0 (automatic) or a number from 1 to 8"),
    "deep_factor": (0.0, (1, 8), "0 (automatic) or a number from 1 to 8"),
    "threshold": (64, (1, 512), "a whole number from 1 to 512"),
    "scale": (1.5, (0.1, 4), "a number from 0.1 to 4"),
    "deep_scale": (
        1.0,
        (0.1, 4),
        "0 (by the threshold, as in the paper) or a number from 0.1 to 4",
    ),
    "method": ("nearest", METHODS, "one of nearest, nearest-exact, average, max, bilinear"),
    "phase": ("moving", ("moving", "fixed"), "one of moving, fixed"),
    "start": (0.0, (0, 1), "a number from 0 to 1"),
    "end": (1.0, (0, 1), "a number from 0 to 1"),
    "passes": ("both", ("both", "first", "hires"), "one of both, first, hires"),
    "above": (1.0, (0.1, 8), "a number from 0.1 to 8"),
}
NAMES = list(TABLE)
BOUNDS = (0, 0.1, 1, 4, 8, 512)
VALUES = [
    *(math.nextafter(bound, to) for bound in BOUNDS for to in (math.inf, bound, -math.inf)),
    *(-1, -0.5, 0.0, 5e-324, 0.05, 1.25, 2, 63.999, 64.0, 512.0, 512.5, 513, 10**400),
    *(math.nan, math.inf, -math.inf, np.float64("nan")),
    *(True, False, "2", "", "nan", "true", None, [], [1], [True], {}, 1j, (1,), b"1", b"both"),
    *(*METHODS, "moving", "fixed", "both", "first", "hires"),
    *("Nearest", "nearest ", "bicubic", "second", "First", "both,first", ["nearest"]),
]


def is_allowed(name: str, value: Any) -> bool:
    default, span, allowed = TABLE[name]
    if isinstance(default, (bool, str)):
        return type(value) is type(default) and value in span
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if not span[0] <= value <= span[1]:
        return value == 0 and allowed.startswith("0 ")
    return name != "threshold" or value % 1 == 0


def test_the_defaults_and_the_table() -> None:
    defaults = [(name, default) for name, (default, _, _) in TABLE.items()]
    assert list(dataclasses.asdict(Settings()).items()) == defaults
    assert [(field.name, field.default) for field in FIELDS] == defaults


@pytest.mark.parametrize("name", NAMES)
def test_what_is_allowed_comes_in_the_fields_own_type_and_all_else_is_refused(name: str) -> None:
    for value in VALUES:
        values = {"start": 0, "end": 1, name: value}
        if is_allowed(name, value):
            taken = getattr(Settings(**values), name)
            assert taken == value
            assert type(taken) is BY_NAME[name].kind is type(TABLE[name][0])
            continue
        with pytest.raises(SettingsError) as caught:
            Settings(**values)
        error, text = caught.value, str(caught.value)
        assert (error.field, error.allowed) == (name, TABLE[name][2])
        assert error.value is value
        shown = repr(value) if len(repr(value)) < 60 else repr(value)[:10]
        assert text.startswith(f"ToDo: {name} = {shown}")
        assert text.endswith(f"{name} must be {TABLE[name][2]}")
        assert isinstance(error, ValueError)


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.4), (1, 0), (5e-324, 0.0)])
def test_start_after_end_is_refused(start: float, end: float) -> None:
    with pytest.raises(SettingsError, match=rf"start = {float(start)!r} .*than end \({end:g}\)"):
        Settings(start=start, end=end)
    # an empty window is allowed
    assert Settings(start=start, end=start).end == start


@pytest.mark.parametrize(
    "value",
    ["x" * 100_000, list(range(100_000)), {"a": {"b": {"c": {"d": {}}}}}],
    ids=["long text", "long list", "deep object"],
)
def test_a_huge_value_makes_no_huge_message(value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(factor=value)
    assert str(caught.value).startswith("ToDo: factor = ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("two", [np.int64(2), np.float32(2)])
def test_scalars_of_numpy_are_numbers(two: Any) -> None:
    settings = Settings(factor=two, threshold=two)
    assert settings == Settings(factor=2, threshold=2)
    assert (type(settings.factor), type(settings.threshold)) == (float, int)
    for refused in (two / 4, np.array([2.0, 3.0]), torch.tensor(2.0)):
        with pytest.raises(SettingsError, match="factor"):
            Settings(factor=refused)


@pytest.mark.parametrize("name", ["ratio", "Factor", "factor ", "", "args", 1, None, ("factor",)])
def test_an_unknown_name_or_preset_is_named_with_what_is_known(name: Any) -> None:
    for field, values, known in (
        ("name of a setting", {"factor": 2, name: 2}, ["preset", *NAMES]),
        ("preset", {"preset": name}, PRESET.choices),
    ):
        with pytest.raises(SettingsError) as caught:
            Settings.from_mapping(values)
        assert (caught.value.field, caught.value.value) == (field, name)
        assert repr(name) in str(caught.value)
        assert str(caught.value).endswith(", ".join(known))


SAID = {
    "paper": Settings(scale=1.0, deep_scale=0.0, phase="fixed"),
    "close": Settings(scale=1.0, deep_scale=0.0),
    "balanced": Settings(),
    "fast": Settings(scale=2.0, above=0.5),
}
CELLS = ("average", "max", "bilinear")


def test_what_each_preset_says_and_that_single_values_go_over_it_wherever_they_stand() -> None:
    assert {name: Settings.from_preset(name) for name in PRESETS} == SAID
    for name, said in SAID.items():
        wanted = dataclasses.replace(said, factor=3, end=0.8)
        assert Settings.from_preset(name, factor=3, end=0.8) == wanted
        for values in (
            {"preset": name, "factor": 3, "end": 0.8},
            {"factor": 3, "end": 0.8, "preset": name},
        ):
            assert Settings.from_mapping(values) == wanted
        # it goes over the base, and leaves what it does not name
        base = {"scale": 0.5, "phase": "fixed", "end": 0.8, "threshold": 8, "factor": 1}
        made = Settings.from_mapping({"preset": name, "factor": 3}, base=base)
        assert made == dataclasses.replace(wanted, threshold=8)


@pytest.mark.parametrize("method", ["nearest", "nearest-exact", *CELLS])
def test_only_a_method_that_takes_one_token_of_a_cell_moves(method: str) -> None:
    assert Settings(method=method).moves is (method not in CELLS)
    assert not Settings(method=method, phase="fixed").moves


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("side", [16, 64, 96])
def test_a_presets_threshold_goes_with_the_models_own_grid(name: str, side: int) -> None:
    """So the rule does for a grid of `side` tokens what it does for one of 64."""
    here, there = Settings.from_preset(name, threshold=side), Settings.from_preset(name)
    for ratio in (0.5, 1, 1.5, 2, 4):
        mine, theirs = (2 * (round(grid * ratio),) for grid in (side, 64))
        for level in (1, 2):
            grids = pooled_grid(mine, level), pooled_grid(theirs, level)
            factors = layer_factor(grids[0], mine, here), layer_factor(grids[1], theirs, there)
            assert factors[0] == factors[1]
