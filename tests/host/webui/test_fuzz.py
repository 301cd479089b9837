"""Inputs at random: each request is right or refused by name.

What is right is worked out here anew, asking nothing of lib_todo: how many keys each layer has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from expect import CLEAN, METHODS, Pass, Pooling, all_pixels, check, infotext, parameters, todo
from host import Host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from told import line

SQUARE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
MARKUP = "</div><script>alert(1)</script>"
# least and most; with the first ones 0 has a meaning of its own
NUMBERS = {
    "factor": (1, 8),
    "deep_factor": (1, 8),
    "deep_scale": (0.1, 4),
    "scale": (0.1, 4),
    "start": (0, 1),
    "end": (0, 1),
}
scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
scalars |= st.sampled_from([MARKUP, "../../etc/passwd", "nearest", "2", "automatic", 10**400])
nonsense = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def number(name: str) -> st.SearchStrategy[Any]:
    least, most = NUMBERS[name]
    fine = st.floats(least, most) | st.sampled_from([least, most, 1, 1.0])
    return fine | st.just(0) if name in list(NUMBERS)[:3] else fine


good = {
    **{name: number(name) for name in NUMBERS},
    "enabled": st.booleans(),
    "threshold": st.integers(1, 8) | st.sampled_from([4.0, 512]),
    "method": st.sampled_from(METHODS),
    "phase": st.sampled_from(["moving", "fixed"]),
    "passes": st.sampled_from(["both", "first", "hires"]),
}


def agree(asked: dict[str, Any]) -> bool:
    """Start is no greater than end, and no method that uses all tokens is to be moved."""
    moves = asked.get("method", "nearest").startswith("nearest") or asked.get("phase") != "moving"
    return moves and asked.get("start", 0) <= asked.get("end", 1)


right = st.fixed_dictionaries({}, optional=good).filter(agree)
some_wrong = st.dictionaries(st.sampled_from(list(good)), nonsense, min_size=1, max_size=2)
quickly = settings(
    max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck), deadline=None
)


@pytest.fixture(scope="module")
def fuzzed(shared_host: Host) -> Iterator[Host]:
    shared_host.use("tiny15_a")
    yield shared_host


@pytest.fixture(scope="module")
def off(fuzzed: Host) -> list[bytes]:
    return all_pixels(fuzzed.txt2img(**SQUARE))


def post(host: Host, body: dict[str, Any]) -> Any:
    """As any JSON writer would post it; the client's own refuses NaN, while the host accepts it."""
    host.probe_reset()
    headers = {"Content-Type": "application/json"}
    return host.request("POST", "/sdapi/v1/txt2img", data=json.dumps(body), headers=headers)


@quickly
@given(right)
def test_right_values_leave_the_layers_their_keys(
    fuzzed: Host, off: list[bytes], asked: dict[str, Any]
) -> None:
    fuzzed.probe_reset()
    answer = fuzzed.txt2img(**SQUARE, **todo(**{"enabled": True, **asked}))
    balanced = Pooling(scale=1.5, deep_scale=1)
    # the only step of a pass of one is in the lead-in
    pooling = replace(
        balanced, **{name: asked[name] for name in vars(balanced) if name in asked}
    ).in_lead_in()
    is_on = asked.get("enabled", True)
    pools = is_on and asked.get("passes") != "hires"
    pools = pools and asked.get("start", 0) <= 0 < asked.get("end", 1)
    expected = Pass(64, 64, 1, pooling if pools else None)
    check(fuzzed, "tiny15", first=expected)
    assert (line(answer) is not None) is is_on
    assert ("ToDo factor" in parameters(infotext(answer))) is is_on
    if not any(keys < queries for _, _, queries, keys in expected.rows("tiny15")):
        assert all_pixels(answer) == off


@quickly
@given(right, some_wrong)
def test_a_wrong_value_is_named(fuzzed: Host, asked: dict[str, Any], wrong: dict[str, Any]) -> None:
    """Which values are wrong is the library's own to say, and tested there."""
    response = post(fuzzed, fuzzed.body(**SQUARE, **todo(**{"enabled": True, **asked, **wrong})))
    told = response.json()
    if not response.ok:
        assert (response.status_code, "images" in told) == (422, False)
        # the other one of a pair may be named
        names = {*wrong, *(("start",) if "end" in wrong else ()), "phase"}
        assert told["detail"].startswith(tuple(f"ToDo: {name} = " for name in names))
        assert len(told["detail"]) < 600
        assert fuzzed.probe_counts()["unet_calls"] == 0
    assert fuzzed.probe_leftovers() == CLEAN


@quickly
@given(st.lists(nonsense, max_size=14) | nonsense)
def test_anything_as_arguments(fuzzed: Host, args: Any) -> None:
    """An image is made only where each value is a right one or a control's own text."""
    body = fuzzed.body(**SQUARE, alwayson_scripts={"ToDo": {"args": args}})
    response = post(fuzzed, body)
    if response.ok:
        values = args if isinstance(args, list) else []
        assert all(isinstance(value, bool | int | float | str | dict) for value in values)
    else:
        assert response.headers["content-type"] == "application/json"
        # an object or null for a list the host cannot read
        assert response.status_code in (422, 500)
        assert isinstance(args, dict | None | float | int) or "ToDo: " in response.text


words = st.text(st.characters(exclude_characters=',:"\\\n\r', exclude_categories=["C"]), min_size=1)
KEYS = ("factor", "deep factor", "threshold", "scale", "deep scale", "method", "phase", "passes")


@quickly
@given(st.dictionaries(st.sampled_from([*KEYS, "steps", "preset", "factor2", "above"]), words))
def test_forged_texts(fuzzed: Host, forged: dict[str, str]) -> None:
    told = "".join(f", ToDo {key}: {value}" for key, value in forged.items())
    text = f"a cat\nSteps: 1, Sampler: Euler, Seed: 1, Size: 64x64{told}"
    response = post(fuzzed, fuzzed.body_of_text(text))
    if response.ok:
        assert MARKUP not in str(line(response.json()))
    else:
        assert response.status_code == 422, response.text[:300]
        keys = tuple(f"ToDo: ToDo {key} = " for key in forged)
        assert response.json()["detail"].startswith(keys)
