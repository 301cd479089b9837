"""The hint: the library's own rule and costs, for every state of the page."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo.cost.architectures import SHAPES, UNetShape
from lib_todo.hosts.webui import parts
from lib_todo.hosts.webui.hint import lines
from lib_todo.hosts.webui.parts import Hires, Refiner
from lib_todo.plan import latent_grid, layer_factor, level_grid, pooled_grid
from lib_todo.settings import FIELDS, Settings

SD15, SDXL = SHAPES["SD 1.x"], SHAPES["SDXL"]
SIZES = [(512, 512), (1024, 1024), (1024, 768), (520, 328), (1536, 2048), (4096, 4096)]


def hint(
    width: int,
    height: int,
    hires: Hires | None = None,
    shape: UNetShape | None = SD15,
    **values: Any,
) -> list[str]:
    shapes = {"first": shape, "hires": shape}
    return lines(parts.of(shapes, width, height, hires), values)


def with_refiner(
    shapes: dict[str, UNetShape | None],
    hires: Hires | None = None,
    passes: str = "second pass",
    **values: Any,
) -> list[str]:
    """At 1024×1024, with a refiner from 0.75 of the steps on."""
    found = parts.of(shapes, 1024, 1024, hires, Refiner(True, 0.75, passes))
    return lines(found, {"factor": 2, "deep_factor": 1, **values})


@pytest.mark.parametrize("shape", [SD15, SDXL], ids=["SD 1.x", "SDXL"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_grids_are_the_rules(shape: UNetShape, size: tuple[int, int]) -> None:
    text = "\n".join(hint(*size, shape=shape))
    largest = level_grid(latent_grid(*size), shape.levels[0].downscale)
    for level in shape.levels:
        grid = level_grid(latent_grid(*size), level.downscale)
        factor = layer_factor(grid, largest, Settings())
        left = pooled_grid(grid, factor)
        told = f"{grid[1]}×{grid[0]} → {left[1]}×{left[0]} tokens (by {factor:g})"
        assert (told in text) == (factor > 1)


def test_a_pass_alone_and_two_by_name() -> None:
    by_two = {"factor": 2, "deep_factor": 1}
    (alone,) = hint(1024, 1024, **by_two)
    assert alone.startswith("1024×1024: 128×128 → 64×64 tokens (by 2). A step will be ")
    first, hires = hint(512, 512, Hires(True, 2), **by_two)
    assert first == "First pass, 512×512: nothing is pooled"
    assert hires == f"Hires pass, {alone}"


def test_each_checkpoint_is_told_by_its_own_layers() -> None:
    """The hires pass's and the refiner's are other ones than the first pass's."""
    first, hires = lines(
        parts.of({"first": SD15, "hires": SDXL}, 1024, 1024, Hires(True, 2)),
        {"factor": 2, "deep_factor": 1},
    )
    assert "128×128 → 64×64" in first
    assert "128×128 → 64×64" in hires
    assert "2048×2048" in hires
    base, refined = with_refiner({"first": SD15, "refiner": SDXL})
    assert "128×128 → 64×64" in base
    assert "from 0.75 of its steps on" in refined
    assert "nothing is pooled" in refined


def test_a_refiner_of_the_same_shape_needs_no_line_of_its_own() -> None:
    assert len(with_refiner({"first": SD15, "refiner": SD15})) == 1


@pytest.mark.parametrize(
    ("passes", "heads"),
    [
        ("first pass", ["First", "First", "Hires"]),
        ("second pass", ["First", "Hires", "Hires"]),
        ("both passes", ["First", "First", "Hires", "Hires"]),
    ],
)
def test_a_refiner_is_in_the_passes_that_the_host_says(passes: str, heads: list[str]) -> None:
    shapes = {"first": SD15, "hires": SD15, "refiner": SDXL}
    told = with_refiner(shapes, Hires(True, 2), passes)
    assert [line.split(" pass")[0] for line in told] == heads


def test_a_window_after_which_the_refiner_begins_pools_nothing_of_it() -> None:
    shapes = {"first": SDXL, "refiner": SD15}
    (none, base, refined) = with_refiner(shapes, end=0.75)
    assert none.startswith("Nothing to gain")
    assert [base.endswith("nothing is pooled"), refined.endswith("nothing is pooled")] == [True] * 2
    assert "all steps together" in with_refiner(shapes, start=0.8)[-1]
    assert "all steps together" not in with_refiner(shapes, start=0.5)[-1]


@pytest.mark.parametrize("sampler", ["LMS", "LCM", "PLMS"])
def test_a_sampler_that_takes_the_papers_factors_is_promised_no_more(sampler: str) -> None:
    """Each pass by its own sampler; factors that were asked for stay."""
    shapes = {"first": SD15, "hires": SD15}

    def told(samplers: dict[str, str], **values: Any) -> list[str]:
        found = parts.of(shapes, 1024, 1024, Hires(True, 2), samplers=samplers)
        return [line.split(": ")[1] for line in lines(found, values)]

    paper = told({}, scale=1, deep_scale="0")
    assert told({"first": sampler, "hires": sampler}) == paper
    assert told({"first": "Euler", "hires": sampler}) == [told({})[0], paper[1]]
    by_hand = {"factor": "4", "deep_factor": "2"}
    assert "32×32 tokens (by 4)" in told({"first": sampler}, **by_hand)[0]


def test_a_checkpoint_that_is_not_known_is_no_promise() -> None:
    first, hires = lines(parts.of({"first": None}, 512, 512, Hires(True, 2)), {})
    assert "no self-attention layers" in first
    assert "before the checkpoint is loaded" in hires
    (alone,) = lines(parts.of({}, 1024, 1024), {})
    assert "before the checkpoint is loaded" in alone


def test_the_size_of_the_hires_pass_is_the_hosts() -> None:
    sizes = [
        Hires(True, *given).size(512, 328)
        for given in ((1.55, 0, 0), (1.55, 1000, 0), (1.55, 0, 1000), (1.55, 1000, 800))
    ]
    assert sizes == [(793, 508), (1000, 640), (1560, 1000), (1000, 800)]
    assert Hires().size(512, 328) is None


def test_nothing_to_gain_comes_first_with_what_would_help() -> None:
    first, *_ = hint(512, 512)
    assert first.startswith("Nothing to gain. These settings take effect from about ")
    size = first.split("about ")[1].split(" ")[0]
    width, height = map(int, size.split("×"))
    assert "Nothing" not in hint(width, height)[0]
    assert "Nothing" in hint(width - 64, height - 64)[0]
    assert hint(1024, 1024, passes="hires")[0] == (
        "Nothing to gain. The setting Passes is hires, but hires fix is off"
    )
    assert hint(1024, 1024, start=0.5, end=0.5)[0].startswith("Nothing to gain: Start and End")
    assert hint(1024, 1024, shape=None)[0].startswith("Nothing to gain: this model has no")


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


def test_start_and_end_count() -> None:
    whole, part = hint(1024, 1024)[0], hint(1024, 1024, start=0.9)[0]
    assert whole != part
    assert "all steps together" in part


anything = st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.lists(st.integers())


@given(
    width=st.integers(1, 65536),
    height=st.integers(1, 65536),
    hires=st.builds(
        Hires,
        st.booleans(),
        st.floats(0, 64),
        st.integers(0, 65536),
        st.integers(0, 65536),
    ),
    refiner=st.builds(
        Refiner, st.booleans(), st.floats(0, 1), st.sampled_from(list(parts.REFINED))
    ),
    values=st.dictionaries(st.sampled_from([f.name for f in FIELDS] + ["other"]), anything),
    shapes=st.dictionaries(
        st.sampled_from(["first", "hires", "refiner"]), st.sampled_from([SD15, SDXL, None])
    ),
)
def test_whatever_is_asked_is_answered(
    width: int,
    height: int,
    hires: Hires,
    refiner: Refiner,
    values: dict[str, Any],
    shapes: dict[str, UNetShape | None],
) -> None:
    assert all(lines(parts.of(shapes, width, height, hires, refiner), values))


def test_the_route_answers_checks_and_is_silent_without_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fastapi, testing = pytest.importorskip("fastapi"), pytest.importorskip("fastapi.testclient")
    from lib_todo.hosts.webui import checkpoint, machine_rates, routes

    monkeypatch.setattr(machine_rates, "rates", lambda: None)
    app = fastapi.FastAPI()
    routes.add(app)
    client = testing.TestClient(app)
    asked = {"width": 1024, "height": 1024, "values": {"factor": "2"}}
    monkeypatch.setitem(sys.modules, "modules.sd_models", None)
    assert client.post(routes.HINT, json=asked).json() == {"lines": []}
    monkeypatch.setattr(checkpoint, "loaded", types.SimpleNamespace)
    monkeypatch.setattr(checkpoint, "shape_named", lambda name: SDXL if name == "other" else SD15)
    assert client.post(routes.HINT, json=asked).json() == {"lines": hint(1024, 1024, factor=2)}
    hires = {"enabled": True, "scale": 2, "checkpoint": "other"}
    _, second = client.post(routes.HINT, json=asked | {"hires": hires}).json()["lines"]
    assert second.split(": ")[1] == hint(2048, 2048, shape=SDXL, factor=2)[0].split(": ")[1]
    for bad in (
        {"width": 0},
        {"width": "wide"},
        {"height": 10**9},
        {"hires": {"scale": -1}},
        {"refiner": {"switch_at": 2}},
    ):
        assert client.post(routes.HINT, json=asked | bad).status_code == 422
