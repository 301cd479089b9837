"""Forge and its relatives: off is off, bad requests, infotext, line, plot, reload."""

from __future__ import annotations

from typing import Any

import pytest
from expect import (
    CLEAN,
    HIRES,
    Pass,
    Pooling,
    check,
    info,
    infotext,
    parameters,
    pixels,
    todo,
)
from forge_hosts import ForgeHost, fresh
from forge_kinds import Kind
from host import images
from requests_shared import (
    AXES,
    QUIET,
    REQUESTS,
    SAME_IN_HIRES,
    axis_labels,
    cells,
    make,
    plot,
    reload,
    text_of,
)
from todo_report import generations, line, numbers, pooled, reasons, report_of, steps

POOLING = Pooling(factor=2, threshold=8)
SQUARE = {"width": 128, "height": 128, "steps": 2}


@pytest.fixture
def host(forge_host: ForgeHost) -> ForgeHost:
    return fresh(forge_host)


def from_text(host: ForgeHost, text: str) -> dict[str, Any]:
    return host.body_from_text(text, **QUIET, **SAME_IN_HIRES)


@pytest.fixture(scope="module")
def bare(forge_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """What a host without the extension makes, of each kind of request."""
    with ForgeHost(forge_kind, tmp_path_factory.mktemp("bare"), extensions=()) as host:
        assert "todo" not in {script["name"] for script in host.script_info()}
        return {request: make(host, request) for request in REQUESTS}


def skip_where_it_changes(host: ForgeHost, request_kind: str) -> None:
    if request_kind in host.kind.changing:
        pytest.skip(f"{host.kind.name} does not make the same {request_kind} image twice")


@pytest.mark.parametrize("request_kind", REQUESTS)
def test_off_is_the_bare_host_bit_for_bit(
    host: ForgeHost, bare: dict[str, list[bytes]], request_kind: str
) -> None:
    """Before it was on, afterwards, and where there is nothing to pool."""
    skip_where_it_changes(host, request_kind)
    assert make(host, request_kind) == bare[request_kind]
    assert make(host, request_kind, **Pooling(threshold=4).asked()) != bare[request_kind]
    assert host.probe_leftovers() == CLEAN
    for nothing in ({}, todo(enabled=False)):
        assert make(host, request_kind, **nothing) == bare[request_kind]
    # only the text tells that it was on
    on = [pixels(image) for image in make(host, request_kind, **todo())]
    assert on == [pixels(image) for image in bare[request_kind]]


@pytest.mark.parametrize("action", ["interrupt", "skip"])
def test_after_an_interrupt_and_a_skip(host: ForgeHost, action: str) -> None:
    skip_where_it_changes(host, "hires")
    before = images(host.txt2img(**HIRES))
    host.probe_reset()
    host.probe_fault(action, unet_call=1)
    answer = host.txt2img(**HIRES | {"steps": 3}, **POOLING.asked())
    assert host.probe_counts()["unet_calls"] == 1
    assert "ToDo factor: 2" in infotext(answer)
    assert host.probe_leftovers() == CLEAN
    assert images(host.txt2img(**HIRES)) == before


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
        ([{"factor": 0.5}], "factor = 0.5"),
        ([{"method": "magic"}], "method = 'magic'"),
        ([{"faktor": 2}], "'faktor'"),
        ([True, 2, 2, 8, 1, 0, "nearest", "fixed", 0, 1, "both", 1], "args = "),
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
        "ToDo preset": "balanced",
        "ToDo factor": "1.5",
        "ToDo threshold": "8",
        "ToDo method": "bilinear",
        "ToDo steps": "0-0.5",
    }
    again = host.post("/sdapi/v1/txt2img", from_text(host, text))
    assert images(again)[0] == made


def test_a_text_without_todo_leaves_it_off(host: ForgeHost) -> None:
    without = host.txt2img(**SQUARE)
    host.txt2img(**SQUARE, **POOLING.asked())
    host.probe_reset()
    again = host.post("/sdapi/v1/txt2img", from_text(host, infotext(without)))
    assert again["images"] == without["images"]
    check(host, "tiny15", first=Pass(128, 128, 2, None))


def test_the_older_extensions_text(host: ForgeHost) -> None:
    """The keys of sd-webui-token-downsampling, as its images have them."""
    older = ", ToDo factor: 2, ToDo factor2: 1, ToDo disable after: 0.5, ToDo threshold: 4"
    text = infotext(host.txt2img(**SQUARE)) + older
    host.probe_reset()
    answer = host.post("/sdapi/v1/txt2img", from_text(host, text))
    check(host, "tiny15", first=Pass(128, 128, 2, Pooling(2, 1, 4), pooled_in={0}))
    assert parameters(infotext(answer))["ToDo steps"] == "0-0.5"


@pytest.mark.parametrize(
    ("forged", "named"),
    [
        ("ToDo factor: 99", ("ToDo factor", "99", "1 to 8")),
        ("ToDo factor: 2, ToDo steps: 0.8-0.2", ("ToDo steps", "0.8-0.2", "no greater")),
    ],
)
def test_a_forged_text_is_an_error(host: ForgeHost, forged: str, named: tuple[str, ...]) -> None:
    text = f"a cat\nSteps: 4, Sampler: Euler, Seed: 1, Size: 128x128, {forged}"
    response = host.request("POST", "/sdapi/v1/txt2img", json=from_text(host, text))
    assert not response.ok
    assert "images" not in response.json()
    for part in named:
        assert part in response.text
    assert host.probe_counts()["unet_calls"] == 0


def test_the_line_says_why_nothing_and_can_be_turned_off(host: ForgeHost) -> None:
    nothing = host.txt2img(**HIRES, **todo())
    assert [reasons(counts) for counts in report_of(nothing)["passes"].values()] == [
        {"below_threshold": 16},
        {"below_threshold": 16},
    ]
    with_line = host.txt2img(**SQUARE, **POOLING.asked())
    # Forge takes an extension's option but never lists it
    with host.options_set({"todo_show_line": True}, todo_show_line=False):
        without = host.txt2img(**SQUARE, **POOLING.asked())
        assert generations(info(without)) == []
        assert without["images"] == with_line["images"]
    assert numbers(str(line(with_line))) == ({(256, 64)}, (2, 2))
    assert (pooled(report_of(with_line)), steps(report_of(with_line))) == ({(256, 64): 5}, (2, 2))


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
    rest = {"ToDo preset": "balanced", "ToDo deep factor": "1", "ToDo threshold": "8"}
    assert cells(answer) == [{"ToDo factor": factor, **rest} for factor in ("2", "3", "1")]
    assert host.probe_leftovers() == CLEAN


def test_after_a_reload_of_the_page(host: ForgeHost) -> None:
    """All is there once, nothing of the former load is left, and it pools as before."""
    before = images(host.txt2img(**SQUARE, **POOLING.asked()))
    reload(host)
    assert host.probe_leftovers() == CLEAN
    assert [script["name"] for script in host.script_info()].count("todo") == 2
    labels = [label for label in axis_labels(host) if "ToDo" in label]
    assert labels == [f"[ToDo] {name}" for name in AXES]
    assert images(host.txt2img(**SQUARE, **POOLING.asked())) == before
