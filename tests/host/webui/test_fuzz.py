"""Inputs at random: each request is right or refused by name, and so is the next one.

What is right is worked out here anew, asking nothing of lib_todo: which field is bad, else how many
keys each layer is to have left.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from expect import CLEAN, METHODS, Pass, Pooling, all_pixels, check, infotext, parameters, todo
from host import Host, HostFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from told import line

SQUARE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "factor": 0,
    "deep_factor": 0,
    "threshold": 64,
    "scale": 1.5,
    "deep_scale": 1,
    "method": "nearest",
    "phase": "moving",
    "start": 0,
    "end": 1,
    "passes": "both",
}
CHOICES = {
    "method": METHODS,
    "phase": ("moving", "fixed"),
    "passes": ("both", "first", "hires"),
}
# least and most; with some, 0 has a meaning of its own
BOUNDS = {
    "factor": (1, 8),
    "deep_factor": (1, 8),
    "threshold": (1, 512),
    "scale": (0.1, 4),
    "deep_scale": (0.1, 4),
    "start": (0, 1),
    "end": (0, 1),
}
NAMED_ZERO = ("factor", "deep_factor", "deep_scale")
MARKUP = "</div><script>alert(1)</script>"

scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
scalars |= st.sampled_from([MARKUP, "../../etc/passwd", "nearest", "2", "automatic", 10**400])
nonsense = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def good(name: str) -> st.SearchStrategy[Any]:
    if name == "enabled":
        return st.booleans()
    if name in CHOICES:
        return st.sampled_from(CHOICES[name])
    least, most = BOUNDS[name]
    if name == "threshold":
        return st.integers(1, 8) | st.sampled_from([4.0, 512])
    fine = st.floats(least, most) | st.sampled_from([least, most, 1, 1.0])
    return fine | st.just(0) if name in NAMED_ZERO else fine


def is_right(name: str, value: Any) -> bool:
    if name == "enabled":
        return isinstance(value, bool)
    if name in CHOICES:
        return isinstance(value, str) and value in CHOICES[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    least, most = BOUNDS[name]
    whole = name != "threshold" or value == int(value)
    return whole and (least <= value <= most or (name in NAMED_ZERO and value == 0))


def bad_names(asked: dict[str, Any]) -> set[str]:
    """The fields of which a refusal must name one; none where an image must be made."""
    bad = {name for name, value in asked.items() if not is_right(name, value)}
    if not bad & {"start", "end"} and asked.get("start", 0) > asked.get("end", 1):
        bad.add("start")
    if not bad & {"method", "phase"} and asked.get("phase") == "moving":
        # a method that uses all tokens has nothing to move
        bad |= {"phase"} if asked.get("method") in ("average", "max", "bilinear") else set()
    return bad


requests_by_name = st.fixed_dictionaries({}, optional={name: good(name) for name in DEFAULTS})
# values that are wrong more often than not, over right ones
some_bad = st.dictionaries(st.sampled_from(list(DEFAULTS)), nonsense, min_size=1, max_size=2)
quickly = settings(
    max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck), deadline=None
)


@pytest.fixture(scope="module")
def fuzzed(new_host: HostFactory) -> Iterator[Host]:
    with new_host() as host:
        host.use("tiny15_a")
        yield host


@pytest.fixture(scope="module")
def off(fuzzed: Host) -> list[bytes]:
    return all_pixels(fuzzed.txt2img(**SQUARE))


def post(host: Host, body: dict[str, Any]) -> Any:
    """As any JSON writer would post it; the client's own refuses NaN, while the host accepts it."""
    host.probe_reset()
    headers = {"Content-Type": "application/json"}
    return host.request("POST", "/sdapi/v1/txt2img", data=json.dumps(body), headers=headers)


def is_made(host: Host, answer: dict[str, Any], asked: dict[str, Any], off: list[bytes]) -> None:
    """The layers have the keys that these right settings leave them, or all of them."""
    values = DEFAULTS | asked
    is_on = values["enabled"] and values["passes"] != "hires"
    names = ("factor", "deep_factor", "threshold", "scale", "deep_scale")
    pooling = Pooling(**{name: values[name] for name in names}).in_lead_in()
    pools = is_on and values["start"] <= 0 < values["end"]
    # the only step of a pass of one is in the lead-in
    expected = Pass(64, 64, 1, pooling if pools else None)
    check(host, "tiny15", first=expected)
    assert (line(answer) is not None) is values["enabled"]
    assert ("ToDo factor" in parameters(infotext(answer))) is values["enabled"]
    if not any(keys < queries for _, _, queries, keys in expected.rows("tiny15")):
        assert all_pixels(answer) == off


@quickly
@given(st.data())
def test_values_by_name(fuzzed: Host, off: list[bytes], data: st.DataObject) -> None:
    asked = data.draw(requests_by_name) | data.draw(some_bad | st.just({}))
    response = post(fuzzed, fuzzed.body(**SQUARE, **todo(**{"enabled": True, **asked})))
    if bad := bad_names(asked):
        told = response.json()
        assert (response.status_code, "images" in told) == (422, False)
        assert told["detail"].startswith(tuple(f"ToDo: {name} = " for name in bad))
        assert len(told["detail"]) < 600
        assert fuzzed.probe_counts()["unet_calls"] == 0
    else:
        assert response.ok, response.text[:500]
        is_made(fuzzed, response.json(), asked, off)
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
KEYS = ("factor", "deep factor", "threshold", "scale", "deep scale", "method", "phase", "pass")


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


def test_settings_files_with_nonsense(
    fuzzed: Host, off: list[bytes], new_host: HostFactory
) -> None:
    """Nonsense for our option and for each of our controls on the page: the API is as ever."""
    # with a list or an object the host does not start, whosever field it is
    nonsense = itertools.cycle(["<b>", True, -1e9, "", "9", 1e9, 0.5])
    page = {
        f"customscript/todo.py/{tab}/{label['label']}/{part}": next(nonsense)
        for tab in ("txt2img", "img2img")
        for label in fuzzed.script_info("todo")["args"]
        for part in ("value", "minimum", "maximum", "step")
    }
    host = new_host()
    for name, content in {"config": {"todo_show_line": {"<b>": [None]}}, "ui-config": page}.items():
        Path(host.data, f"{name}.json").write_text(json.dumps(content))
    with host:
        assert all_pixels(host.txt2img(**SQUARE)) == off
        asked = {"factor": 2, "threshold": 4}
        host.probe_reset()
        is_made(host, host.txt2img(**SQUARE, **todo(**asked)), asked, off)
        assert host.request("GET", "/").ok
