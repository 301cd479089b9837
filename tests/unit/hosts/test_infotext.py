"""Infotext: writing and reading settings, round trips, older keys, forged text."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Report, Settings, SettingsError
from lib_todo.hosts.webui.request import KEYS, PRESET_KEY, from_infotext, to_infotext
from lib_todo.hosts.webui.result import used
from lib_todo.reasons import Reason

# a text that names no preset is an older version's
PAPER = Settings.from_preset("paper")

factors = st.just(0.0) | st.floats(1, 8)
fractions = st.floats(0, 1)
all_settings = st.builds(
    lambda window, **rest: Settings(start=min(window), end=max(window), **rest),
    window=st.tuples(fractions, fractions),
    factor=factors,
    deep_factor=factors,
    threshold=st.integers(1, 512),
    scale=st.floats(0.125, 4),
    deep_scale=st.just(0.0) | st.floats(0.125, 4),
    method=st.sampled_from(["nearest", "nearest-exact", "average", "max", "bilinear"]),
    phase=st.sampled_from(["moving", "fixed"]),
    passes=st.sampled_from(["both", "first", "hires"]),
    above=st.floats(0.5, 4),
)


def read_as_the_host_does(line: str) -> dict[str, str]:
    """AUTOMATIC1111's parse_generation_parameters, for a text of one line without quotes."""
    params = {}
    for key, value in re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', line):
        size = re.match(r"^(\d+)x(\d+)$", value)
        params |= {f"{key}-1": size[1], f"{key}-2": size[2]} if size else {key: value}
    return params


@given(settings=all_settings)
def test_round_trip_through_the_hosts_text(settings: Settings) -> None:
    """The preset and the factor are written always, the others only where they differ."""
    texts = to_infotext(settings)
    # the host quotes a value with any of these, and others who read its texts do not know that
    assert not [value for value in texts.values() if set(value) & set(",:\n")]
    line = ", ".join(f"{key}: {value}" for key, value in texts.items())
    params = read_as_the_host_does(f"Steps: 20, Size: 512x768, {line}, Version: v1.10.1")
    assert params["Size-2"] == "768"
    assert Settings(**from_infotext(params)) == settings
    preset = texts["ToDo preset"]
    usual = dataclasses.asdict(Settings() if preset == "custom" else Settings.from_preset(preset))
    differ = {field for field, value in usual.items() if getattr(settings, field) != value}
    keys = {KEYS[name] for name in differ}
    assert set(texts) == {"ToDo preset", *keys}
    changed = differ - {"threshold", "start", "end", "passes"}
    assert preset == "custom" or len(changed) <= 2


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        (Settings(), {"preset": "balanced"}),
        (
            Settings.from_preset("fast", threshold=16, passes="hires"),
            {"preset": "fast", "threshold": "16", "passes": "hires"},
        ),
        (
            Settings(factor=2.5, deep_factor=2, method="max", start=1e-05, end=0.8),
            {"preset": "custom", "factor": "2.5", "deep factor": "2", "method": "max"}
            | {"start": "0.00001", "end": "0.8"},
        ),
    ],
)
def test_in_words(settings: Settings, texts: dict[str, str]) -> None:
    assert to_infotext(settings) == {f"ToDo {key}": text for key, text in texts.items()}


@pytest.mark.parametrize("key", ["Steps", "ToDo threshold", "ToDo factor2", "ToDo disable after"])
def test_without_our_key_only_the_box_is_unticked(key: str) -> None:
    assert from_infotext({key: "1"}) == {"enabled": False}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        # what the text leaves out had its default
        ({"ToDo factor": "2"}, {"factor": 2}),
        # the older extension's keys
        (
            {"ToDo factor": "2", "ToDo factor2": "3", "ToDo disable after": "0.6"},
            {"factor": 2, "deep_factor": 3, "end": 0.6},
        ),
        # an own key wins over the older one that says the same
        (
            {"ToDo factor": "2", "ToDo disable after": "0.1", "ToDo end": "0.5"},
            {"factor": 2, "end": 0.5},
        ),
        # the API parses nothing, and other tools write what they like
        (
            {"ToDo factor": 2.0, "ToDo threshold": 32, "ToDo start": " 0.20", "ToDo end": ".8"},
            {"factor": 2, "threshold": 32, "start": 0.2, "end": 0.8},
        ),
    ],
)
def test_a_text_without_a_preset_is_an_older_versions(
    params: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert Settings(**from_infotext(params)) == dataclasses.replace(PAPER, **expected)


FORGED: dict[str, tuple[Any, ...]] = {
    "ToDo preset": ("fastest", "Fast", None),
    "ToDo factor": ("", "two", "0.5", "9", "-1", "nan", "inf", "1e999", None, [2], "2,5", "0x2"),
    "ToDo deep factor": ("", "9"),
    "ToDo factor2": ("", "9"),
    "ToDo threshold": ("", "0", "63.5", "513", "nan", None, {}),
    "ToDo method": ("", "Nearest", "lanczos", None, 1, "nearest\n"),
    "ToDo passes": ("", "second", "Both", None),
    "ToDo disable after": ("", "1.5", "-0.1", "nan", "20%", None),
    "ToDo end": ("", "-0.5", "1.5", "nan", "0.1.2", "0-1", None, [1]),
}


@pytest.mark.parametrize(
    ("key", "text"), [(key, text) for key, texts in FORGED.items() for text in texts]
)
def test_forged_values_are_refused_naming_the_key_and_the_value(key: str, text: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        from_infotext({"ToDo factor": "2", key: text})
    assert caught.value.field == key
    assert str(caught.value.value) == str(text)


def test_a_start_behind_the_end_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"ToDo start = '0.8' .* no greater than end \(0.2\)"):
        from_infotext({"ToDo factor": "2", "ToDo start": "0.8", "ToDo end": "0.2"})


@given(
    params=st.dictionaries(
        st.sampled_from(["ToDo factor2", "ToDo disable after", PRESET_KEY, *KEYS.values()]),
        st.text(max_size=8) | st.floats().map(str) | st.integers().map(str),
    )
)
def test_whatever_the_text_says_the_outcome_is_settings_or_a_settings_error(
    params: dict[str, str],
) -> None:
    try:
        values = from_infotext(params)
    except SettingsError as error:
        assert error.field in params
    else:
        assert Settings(**values).enabled is bool({"ToDo factor", PRESET_KEY} & params.keys())


def test_what_was_used_is_told_of_this_image_in_the_order_of_its_steps() -> None:
    report = Report()

    def count(step: int, pass_name: str, after: int, reason: Reason | None = None) -> None:
        report.progress(step, 2, pass_name)
        report.count({((8, 8), 64, after, reason): [0]}, report.position.moment.shown_step)

    count(0, "first", 4)
    assert used(report, 0) == "64 → 4"
    since = next(report.samplings)
    report.position.expect_sampling()
    count(0, "hires", 32)
    count(1, "hires", 16)
    count(0, "first", 64, Reason.OTHER_PASS)
    assert used(report, since) == "64 → 32 and 64 → 16"
    assert used(report, next(report.samplings)) == "as without ToDo"
    # where steps are not known, neither are the images
    loose = Report()
    loose.count({((8, 4), 32, 8, None): [0]})
    assert used(loose, 1) == "32 → 8"
