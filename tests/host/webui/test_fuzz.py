"""Anything as a request's arguments: an image is made, or the request is refused by name.

That right values give each layer its keys, tests/unit/test_told_numbers.py shows at random.
"""

from __future__ import annotations

import json

from expect import CLEAN
from host import Host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = "enabled factor deep_factor threshold scale deep_scale method phase start end passes above"
scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
scalars |= st.sampled_from(["<script>", "../../etc/passwd", "nearest", "2", "automatic", 10**400])
nonsense = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
named = st.dictionaries(st.sampled_from(FIELDS.split()), nonsense, min_size=1, max_size=2)


@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.lists(nonsense, max_size=14) | nonsense | named.map(lambda values: [values]))
def test_anything_as_arguments(shared_host: Host, args: object) -> None:
    """An image is made only where each value is a right one or a control's own text."""
    # the client's own writer refuses NaN, while the host accepts it
    asked = shared_host.body(
        width=64, height=64, steps=1, alwayson_scripts={"ToDo": {"args": args}}
    )
    header = {"Content-Type": "application/json"}
    response = shared_host.request(
        "POST", "/sdapi/v1/txt2img", data=json.dumps(asked), headers=header
    )
    if response.ok:
        values = args if isinstance(args, list) else []
        assert all(isinstance(value, bool | int | float | str | dict) for value in values)
    else:
        assert response.headers["content-type"] == "application/json"
        # an object or null for a list the host cannot read
        assert response.status_code in (422, 500)
        assert isinstance(args, dict | None | float | int) or "ToDo: " in response.text
    assert shared_host.probe_leftovers() == CLEAN
