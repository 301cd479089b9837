"""The hint for anything that a page may ask: an answer, a refusal by name, the route."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from hints import CPU, SD15, SDXL, hint, parts
from hypothesis import given
from hypothesis import strategies as st

from lib_todo.cost.architectures import NOTHING_TO_POOL
from lib_todo.hosts.webui.hint import Hires, Part, lines
from lib_todo.settings import FIELDS


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"threshold": 16.5}, "threshold = 16.5"),
        ({"threshold": None}, "threshold = None"),
        ({"factor": "0.5"}, "factor = 0.5"),
        ({"start": 0.8, "end": 0.2}, "start = 0.8"),
        ({"new": 1}, "'new'"),
    ],
)
def test_what_will_be_refused_is_named_before(values: dict[str, Any], named: str) -> None:
    (told,) = hint(1024, 1024, **values)
    assert told.startswith("This will be refused. ToDo: ")
    assert named in told


pixels = st.integers(0, 65536)
anything = st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.lists(st.integers())
asked = st.builds(
    parts,
    st.dictionaries(
        st.sampled_from(["first", "hires"]), st.sampled_from([SD15, SDXL, NOTHING_TO_POOL])
    ),
    st.integers(1, 65536),
    st.integers(1, 65536),
    hires=st.builds(Hires, enabled=st.booleans(), scale=st.floats(0, 64), x=pixels, y=pixels),
)


@given(asked, st.dictionaries(st.sampled_from([f.name for f in FIELDS] + ["other"]), anything))
def test_whatever_is_asked_is_answered(found: list[Part], values: dict[str, Any]) -> None:
    assert all(lines(found, values, CPU))


def test_the_route_answers_and_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fastapi, testing = pytest.importorskip("fastapi"), pytest.importorskip("fastapi.testclient")
    # anew: tests of stand-in hosts drop what was imported
    from lib_todo.hosts.webui import hint as route
    from lib_todo.hosts.webui import host, step_times

    here = types.SimpleNamespace(candidates=lambda: CPU)
    monkeypatch.setattr(host, "machine", lambda: here)
    monkeypatch.setattr(step_times, "seen", lambda known, settings: None)
    app = fastapi.FastAPI()
    route.add(app)
    client = testing.TestClient(app)
    asked = {"width": 1024, "height": 1024, "sampler": "Euler", "values": {"factor": "2"}}
    monkeypatch.setitem(sys.modules, "modules.sd_models", None)
    (line,) = client.post(route.HINT, json=asked).json()["lines"]
    assert "not known before the checkpoint is loaded" in line
    monkeypatch.setattr(host, "shape_named", lambda name: SDXL if name == "other" else SD15)
    assert client.post(route.HINT, json=asked).json() == {"lines": hint(1024, 1024, factor=2)}
    few = client.post(route.HINT, json=asked | {"steps": 3, "hires": {"steps": 50}}).json()
    assert few == {"lines": hint(1024, 1024, steps=3, factor=2)}
    hires = {"enabled": True, "scale": 2, "checkpoint": "other", "steps": 3}
    _, second, _ = client.post(route.HINT, json=asked | {"hires": hires}).json()["lines"]
    alone = hint(2048, 2048, shape=SDXL, steps=3, factor=2)[0]
    assert second.split(": ")[1] == alone.split(": ")[1]
    for bad in (
        *({"width": 0}, {"width": "wide"}, {"height": 10**9}, {"steps": -1}, {"steps": 9999}),
        {"hires": {"scale": -1}},
    ):
        assert client.post(route.HINT, json=asked | bad).status_code == 422
