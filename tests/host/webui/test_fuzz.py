"""Inputs at random: each request is right or refused by name.

What is right is worked out here anew, asking nothing of lib_todo: how many keys each layer has.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from expect import METHODS, Pass, Pooling, all_pixels, check, infotext, parameters, todo
from host import Host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from told import line

SQUARE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
# least and most
NUMBERS = {"factor": (1, 8), "deep_factor": (1, 8), "deep_scale": (0.1, 4), "scale": (0.1, 4)}
NUMBERS |= {"start": (0, 1), "end": (0, 1)}
scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
scalars |= st.sampled_from(["<script>", "../../etc/passwd", "nearest", "2", "automatic", 10**400])
nonsense = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
good = {
    **{
        # with the first three 0 has a meaning of its own
        name: st.floats(*bounds) | st.sampled_from([*bounds, 1, 0 if at < 3 else 1.0])
        for at, (name, bounds) in enumerate(NUMBERS.items())
    },
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
def off(shared_host: Host) -> list[bytes]:
    shared_host.use("tiny15_a")
    return all_pixels(shared_host.txt2img(**SQUARE))


@quickly
@given(right)
def test_right_values_leave_the_layers_their_keys(
    shared_host: Host, off: list[bytes], asked: dict[str, Any]
) -> None:
    shared_host.probe_reset()
    answer = shared_host.txt2img(**SQUARE, **todo(**{"enabled": True, **asked}))
    balanced = Pooling(scale=1.5, deep_scale=1)
    # the only step of a pass of one is in the lead-in
    pooling = replace(
        balanced, **{name: asked[name] for name in vars(balanced) if name in asked}
    ).in_lead_in()
    is_on = asked.get("enabled", True)
    pools = is_on and asked.get("passes") != "hires"
    pools = pools and asked.get("start", 0) <= 0 < asked.get("end", 1)
    expected = Pass(64, 64, 1, pooling if pools else None)
    check(shared_host, "tiny15", first=expected)
    assert (line(answer) is not None) is is_on
    assert ("ToDo factor" in parameters(infotext(answer))) is is_on
    if not any(keys < queries for _, _, queries, keys in expected.rows("tiny15")):
        assert all_pixels(answer) == off


@quickly
@given(st.lists(nonsense, max_size=14) | nonsense | some_wrong.map(lambda wrong: [wrong]))
def test_anything_as_arguments(shared_host: Host, off: list[bytes], args: Any) -> None:
    """An image is made only where each value is a right one or a control's own text."""
    # the client's own writer refuses NaN, while the host accepts it
    body = json.dumps(shared_host.body(**SQUARE, alwayson_scripts={"ToDo": {"args": args}}))
    header = {"Content-Type": "application/json"}
    response = shared_host.request("POST", "/sdapi/v1/txt2img", data=body, headers=header)
    if response.ok:
        values = args if isinstance(args, list) else []
        assert all(isinstance(value, bool | int | float | str | dict) for value in values)
    else:
        assert response.headers["content-type"] == "application/json"
        # an object or null for a list the host cannot read
        assert response.status_code in (422, 500)
        assert isinstance(args, dict | None | float | int) or "ToDo: " in response.text
