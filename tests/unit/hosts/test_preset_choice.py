"""Presets on the page, in requests and in images' texts."""

from __future__ import annotations

import types
from typing import Any

import pytest

from lib_todo import Settings, SettingsError
from lib_todo.hosts.webui.infotext import from_infotext, to_infotext
from lib_todo.hosts.webui.request import OVERRIDES, preset_of, read_settings
from lib_todo.settings import PRESETS


def made(name: str, **values: Any) -> Settings:
    return Settings(**{**PRESETS[name], **values})


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_known_again_by_its_values(name: str) -> None:
    found = preset_of(vars(made(name)))
    assert made(found) == made(name)
    assert preset_of(vars(made(name, end=0.35))) == "custom"


def test_the_defaults_are_balanced() -> None:
    assert preset_of({}) == "balanced"
    assert made("balanced") == Settings()


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_request_names_one_and_single_values_go_before_it(name: str) -> None:
    api = types.SimpleNamespace(is_api=True)
    others = list(vars(made("fast")).values())[1:]
    assert read_settings(api, [{"preset": name, "threshold": 17}, *others]) == made(
        name, threshold=17
    )


@pytest.mark.parametrize("name", list(PRESETS))
def test_an_axis_decides_all_that_presets_decide(name: str) -> None:
    """Also where the page stands on another preset, and this one leaves a default."""
    page = types.SimpleNamespace(**{OVERRIDES: {"preset": name}})
    shown = vars(made("fast"))
    assert read_settings(page, [False, *list(shown.values())[1:]]) == made(name)


@pytest.mark.parametrize("bad", ["fastest", 1, None, ["fast"]])
def test_an_unknown_one_is_refused_by_name(bad: Any) -> None:
    with pytest.raises(SettingsError, match=r"ToDo: preset = .* must be one of paper"):
        read_settings(types.SimpleNamespace(is_api=True), [{"preset": bad}])
    with pytest.raises(SettingsError, match="ToDo preset"):
        from_infotext({"ToDo preset": str(bad)})


@pytest.mark.parametrize("name", list(PRESETS))
def test_an_images_text_names_it(name: str) -> None:
    text = to_infotext(made(name))
    assert made(text["ToDo preset"]) == made(name)
    assert Settings(**from_infotext({"ToDo preset": name})) == made(name)
