"""Forge and reForge: the main cases of the A1111 tests, tokens counted from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from expect import (
    CLEAN,
    HIRES,
    Pass,
    Pooling,
    check,
    first_pixels,
    infotext,
    line,
    parameters,
    picture,
    todo,
)
from forge_hosts import ForgeHost, Kind, with_modules
from host import images
from test_infotext_round_trip import QUIET, SAME_IN_HIRES, text_of
from test_xyz_plot import cells, plot

POOLING = Pooling(factor=2, threshold=8)
SQUARE = {"width": 128, "height": 128, "steps": 2}
# every layer, those of the middle block too
EVERYWHERE = Pooling(factor=2, deep_factor=2, threshold=1)
THRESHOLDS = {"tiny15": 12, "tinyxl": 6}


@pytest.fixture(scope="module")
def forge_host(forge_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeHost]:
    """A long-lived host with its page and the extension."""
    with forge_kind.start(tmp_path_factory.mktemp("forge")) as host:
        yield host


@pytest.fixture
def host(forge_host: ForgeHost) -> ForgeHost:
    """The same, its probe reset and an SD 1.5-shaped checkpoint chosen."""
    forge_host.use("tiny15_a")
    forge_host.probe_reset()
    return forge_host


def grids_seen(host: ForgeHost, in_pass: str = "first") -> dict[int, set[tuple[int, int]]]:
    """Queries and keys of each square grid, by its side."""
    seen: dict[int, set[tuple[int, int]]] = {}
    for row in host.probe_counts()["rows"]:
        if row["in_pass"] == in_pass:
            seen.setdefault(row["height"], set()).add((row["queries"], row["keys"]))
    return seen


@pytest.mark.parametrize("factor", [2, 1.5, 0])
@pytest.mark.parametrize("family", sorted(THRESHOLDS))
def test_each_factor(host: ForgeHost, family: str, factor: float) -> None:
    host.use(f"{family}_a")
    pooling = Pooling(factor, deep_factor=0, threshold=THRESHOLDS[family])
    answer = host.txt2img(steps=2, **pooling.asked())
    check(host, family, first=Pass(256, 256, 2, pooling))
    assert parameters(infotext(answer))["ToDo factor"] == f"{factor:g}"
    assert str(line(answer)).endswith("self-attention layers, 2 of 2 steps")


def test_sizes_that_no_factor_divides(host: ForgeHost) -> None:
    pooling = Pooling(factor=3, deep_factor=1.5, threshold=6)
    host.txt2img(width=264, height=200, steps=1, **pooling.asked())
    check(host, "tiny15", first=Pass(264, 200, 1, pooling))


def test_the_tokens_are_those_of_the_lattice(host: ForgeHost) -> None:
    """The probe, told to pool by its own plain indexing, makes the very same image."""
    size = {"width": 200, "height": 264, "steps": 2}
    host.probe_lattice(factor=3, threshold=8)
    by_hand = first_pixels(host.txt2img(**size))
    host.probe_reset()
    pooling = Pooling(factor=3, deep_factor=3, threshold=8)
    assert first_pixels(host.txt2img(**size, **pooling.asked())) == by_hand
    assert first_pixels(host.txt2img(**size)) != by_hand


@pytest.mark.parametrize("wanted", ["both", "first", "hires"])
def test_the_passes_of_hires_fix(host: ForgeHost, wanted: str) -> None:
    answer = host.txt2img(**HIRES, **Pooling(threshold=8).asked(passes=wanted))
    passes = {
        name: Pass(side, side, 1, Pooling(threshold=8) if wanted in ("both", name) else None)
        for name, side in (("first", 128), ("hires", 256))
    }
    check(host, "tiny15", **passes)
    assert parameters(infotext(answer)).get("ToDo pass", "both") == wanted


def test_a_refiner(host: ForgeHost) -> None:
    refiner = {"refiner_checkpoint": "tiny15_b", "refiner_switch_at": 0.5}
    answer = host.txt2img(**SQUARE, **refiner, **POOLING.asked())
    check(host, "tiny15", first=Pass(128, 128, 2, POOLING))
    assert "Refiner: tiny15_b" in infotext(answer)


def test_heun_counts_steps_and_not_calls(host: ForgeHost) -> None:
    asked = POOLING.asked(start=0.25, end=0.5)
    answer = host.txt2img(**SQUARE | {"steps": 4}, sampler_name="Heun", **asked)
    check(host, "tiny15", first=Pass(128, 128, 7, POOLING, pooled_in={2, 3}))
    assert str(line(answer)).endswith("1 of 4 steps")


def test_img2img(host: ForgeHost) -> None:
    answer = host.img2img(
        picture(128, 128), **SQUARE, denoising_strength=0.9, **POOLING.asked(end=1)
    )
    assert grids_seen(host)[16] == {(256, 64)}
    assert parameters(infotext(answer)) == {"ToDo factor": "2", "ToDo threshold": "8"}
    assert host.probe_leftovers() == CLEAN


def test_off_after_on_is_off_bit_for_bit(host: ForgeHost) -> None:
    before = images(host.txt2img(**HIRES))
    assert images(host.txt2img(**HIRES, **POOLING.asked())) != before
    assert host.probe_leftovers() == CLEAN
    assert images(host.txt2img(**HIRES)) == before
    assert images(host.txt2img(**HIRES, **todo(enabled=False))) == before


@pytest.mark.parametrize("where", ["unet", "attention"])
def test_after_an_exception_in_the_unet(host: ForgeHost, where: str) -> None:
    before = images(host.txt2img(**SQUARE, **POOLING.asked()))
    host.probe_reset()
    host.probe_fault("raise", unet_call=2, where=where, message="on purpose")
    body = host.body(**SQUARE, **POOLING.asked())
    response = host.request("POST", "/sdapi/v1/txt2img", json=body)
    assert response.status_code == 500
    assert "on purpose" in response.text
    assert host.probe_leftovers() == CLEAN
    host.probe_reset()
    host.txt2img(**SQUARE)
    check(host, "tiny15", first=Pass(128, 128, 2, None))
    assert images(host.txt2img(**SQUARE, **POOLING.asked())) == before


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ([{"factor": 0.5}], "factor = 0.5 is not allowed; factor must be 0 (automatic) or"),
        ([{"method": "magic"}], "method = 'magic' is not allowed"),
        ([{"faktor": 2}], "'faktor'"),
        ([True, 2, 2, 8, "nearest", 0, 1, "both", 1], "at most 8 values"),
    ],
    ids=str,
)
def test_bad_arguments(host: ForgeHost, args: list[Any], named: str) -> None:
    body = host.body(**SQUARE, **todo(*args))
    response = host.request("POST", "/sdapi/v1/txt2img", json=body)
    assert response.status_code == 422
    assert named in response.json()["detail"]
    assert "images" not in response.json()
    assert host.probe_counts()["unet_calls"] == 0


def test_the_infotext_makes_the_same_image(host: ForgeHost) -> None:
    asked = todo(factor=1.5, threshold=8, method="bilinear", end=0.5)
    made = images(host.txt2img(**SQUARE, **asked))[0]
    text = text_of(host, made)
    assert parameters(text) == {
        "ToDo factor": "1.5",
        "ToDo threshold": "8",
        "ToDo method": "bilinear",
        "ToDo steps": "0-0.5",
    }
    # Forge fails at lists that it has to take from the text; it has to be given them
    body = with_modules({"infotext": text, "styles": [], **QUIET, **SAME_IN_HIRES})
    again = host.post("/sdapi/v1/txt2img", body)
    assert images(again)[0] == made


def test_an_axis_of_the_plot(host: ForgeHost) -> None:
    body = plot(host, ("[ToDo] factor", "2, 3, 1"))
    (shown,) = [
        script["args"]
        for script in host.script_info()
        if script["name"] == "x/y/z plot" and not script["is_img2img"]
    ]
    # what follows the nine inputs of the axes differs between the two
    changed = {
        "Draw legend": False,
        "Include Sub Images": True,
        "Use text inputs instead of dropdowns": True,
    }
    values = [changed.get(arg["label"], arg["value"]) for arg in shown[9:]]
    body["script_args"] = [*body["script_args"][:9], *values]
    answer = host.txt2img(**SQUARE, **body, **todo(deep_factor=1, threshold=8))
    told = {"ToDo deep factor": "1", "ToDo threshold": "8"}
    assert cells(answer) == [{"ToDo factor": "2", **told}, {"ToDo factor": "3", **told}, {}]
    assert host.probe_leftovers() == CLEAN


def test_token_merging_keeps_its_layers(host: ForgeHost) -> None:
    """Theirs merges the queries alone; the keys are those of the whole grid, and stay so."""
    with host.options_set(token_merging_ratio=0.5):
        alone = host.txt2img(steps=1)
        host.probe_reset()
        answer = host.txt2img(steps=1, **Pooling(factor=2, threshold=16).asked())
        assert first_pixels(answer) == first_pixels(alone)
        assert line(answer) == "ToDo: nothing was pooled: not this grid (5 layers)"
        assert grids_seen(host)[32] == {(512, 1024)}
        host.probe_reset()
        answer = host.txt2img(steps=1, **POOLING.asked())
        assert grids_seen(host)[16] == {(256, 64)}
        assert str(line(answer)).endswith("(5 not this grid)")


def other_script(forge_kind: Kind, host: ForgeHost, name: str, *args: Any) -> dict[str, Any]:
    """A request for a built-in script whose title begins so; skips where the host has none."""
    for script in host.script_info():
        if script["name"].startswith(name) and not script["is_img2img"]:
            values = [*args, *(arg["value"] for arg in script["args"][len(args) :])]
            return {script["name"]: {"args": values}}
    pytest.skip(f"{forge_kind.name} has no {name}")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("selfattentionguidance", (True, 0.5, 2.0)),
        ("perturbedattentionguidance", (True, 3.0)),
        ("freeu", (True, 1.01, 1.02, 0.99, 0.95)),
        ("kohya hrfix", (True, 3, 1.7, 0, 1)),
    ],
)
def test_beside_what_else_changes_the_unet(
    forge_kind: Kind, host: ForgeHost, name: str, args: tuple[Any, ...]
) -> None:
    """At every level, the middle block's too, where some of these replace the attention."""
    asked = EVERYWHERE.asked()
    scripts = asked["alwayson_scripts"] | other_script(forge_kind, host, name, *args)
    answer = host.txt2img(steps=2, alwayson_scripts=scripts)
    assert "1024 → 256 keys in" in str(line(answer)) or name == "kohya hrfix"
    assert "2 of 2 steps" in str(line(answer))
    assert all(row["queries"] >= row["keys"] for row in host.probe_counts()["rows"])
    assert host.probe_leftovers() == CLEAN


def test_hypertile_keeps_its_layers(forge_kind: Kind, host: ForgeHost) -> None:
    tiles = other_script(forge_kind, host, "hypertile", True, 128, 2, 1, False)
    asked = POOLING.asked()["alwayson_scripts"]
    answer = host.txt2img(steps=1, alwayson_scripts=asked | tiles)
    assert "not this grid" in str(line(answer))
    assert all(keys == 1024 for _, keys in grids_seen(host)[32])
    host.probe_reset()
    host.txt2img(steps=1, **POOLING.asked())
    check(host, "tiny15", first=Pass(256, 256, 1, POOLING))


def test_replaced_self_attention_is_named(forge_kind: Kind, host: ForgeHost) -> None:
    """StyleAlign has the blocks call an attention of its own, which is out of reach."""
    scripts = POOLING.asked()["alwayson_scripts"] | other_script(
        forge_kind, host, "stylealign", True
    )
    answer = host.txt2img(steps=1, batch_size=2, alwayson_scripts=scripts)
    assert line(answer) == (
        "ToDo: nothing was pooled: self-attention is replaced by another extension"
    )
    assert parameters(infotext(answer)) == {}
