"""Presets: their values, overriding them, and the phase that only some methods have."""

from __future__ import annotations

from typing import Any

import pytest

from lib_todo import Settings, SettingsError
from lib_todo.plan import layer_factor
from lib_todo.settings import PRESETS

# scale, deep_scale, above, phase
SAID = {
    "paper": (1.0, 0.0, 1.0, "fixed"),
    "close": (1.0, 0.0, 1.0, "moving"),
    "balanced": (1.5, 1.0, 1.0, "moving"),
    "fast": (2.0, 1.0, 0.5, "moving"),
}
CELLS = ("average", "max", "bilinear")


@pytest.mark.parametrize("name", SAID)
def test_what_a_preset_says(name: str) -> None:
    made = Settings.from_preset(name)
    assert (made.scale, made.deep_scale, made.above, made.phase) == SAID[name]
    assert made.threshold == 64
    assert (made.factor, made.deep_factor, made.method) == (0, 0, "nearest")
    assert (made.start, made.end, made.passes, made.enabled) == (0, 1, "both", True)
    assert set(PRESETS) == set(SAID)
    assert (made == Settings()) is (name == "balanced")


@pytest.mark.parametrize("name", SAID)
def test_single_values_go_over_it_wherever_they_stand(name: str) -> None:
    wanted = Settings.from_preset(name, factor=3, end=0.8)
    assert (wanted.factor, wanted.end, wanted.scale) == (3, 0.8, SAID[name][0])
    for values in (
        {"preset": name, "factor": 3, "end": 0.8},
        {"factor": 3, "end": 0.8, "preset": name},
    ):
        assert Settings.from_mapping(values) == wanted


def test_a_preset_goes_over_the_base_and_leaves_what_it_does_not_name() -> None:
    made = Settings.from_mapping({"preset": "paper"}, base={"scale": 2.0, "end": 0.5})
    assert made == Settings.from_preset("paper", end=0.5)


@pytest.mark.parametrize("name", ["", "Paper", "best", None, 1, ["paper"], True])
def test_an_unknown_preset_is_refused_by_name(name: Any) -> None:
    with pytest.raises(SettingsError, match="ToDo: preset = ") as caught:
        Settings.from_mapping({"preset": name})
    assert caught.value.field == "preset"
    assert all(known in str(caught.value) for known in SAID)


@pytest.mark.parametrize("method", ["nearest", "nearest-exact", *CELLS])
def test_only_a_method_that_takes_one_token_of_a_cell_moves(method: str) -> None:
    assert Settings(method=method).moves is (method not in CELLS)
    assert not Settings(method=method, phase="fixed").moves


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("side", [16, 64, 96])
def test_a_presets_threshold_goes_with_the_models_own_grid(name: str, side: int) -> None:
    """So the rule does for a grid of `side` tokens what it does for one of 64."""
    here, there = Settings.from_preset(name, native_grid=side), Settings.from_preset(name)
    for ratio in (0.5, 1, 1.5, 2, 4):
        mine, theirs = (2 * [round(grid * ratio)] for grid in (side, 64))
        factor = layer_factor(tuple(mine), tuple(mine), here)
        assert factor == layer_factor(tuple(theirs), tuple(theirs), there)


@pytest.mark.parametrize("side", [0, -8, 64.5, "64", True, None, 1000])
def test_a_grid_that_no_model_has_is_refused_by_name(side: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_preset("fast", native_grid=side)
    assert caught.value.field == "native_grid"
