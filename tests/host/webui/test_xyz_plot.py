"""The X/Y/Z plot: each axis, each cell with settings and an infotext of its own."""

from __future__ import annotations

from typing import Any

import pytest
from expect import CLEAN, Pass, Pooling, check, info, infotext, parameters, todo
from host import Host, images
from requests_shared import AXES, axis_labels, cells, plot

# Grids of 8, 4, 2 and 1 a side.
TINY = {"width": 64, "height": 64, "steps": 2}
BASE: dict[str, Any] = {"factor": 2, "deep_factor": 1, "threshold": 4}


@pytest.mark.parametrize("is_img2img", [False, True])
def test_each_axis_is_there_once(ui_host: Host, is_img2img: bool) -> None:
    labels = [label for label in axis_labels(ui_host, is_img2img) if "ToDo" in label]
    assert labels == [f"[ToDo] {name}" for name in AXES]


OURS = {"ToDo factor": "2", "ToDo deep factor": "1", "ToDo threshold": "4"}


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        ("factor", "3, 1, 0", [OURS | {"ToDo factor": "3"}, {}, OURS | {"ToDo factor": "0"}]),
        ("threshold", "8, 5", [{}, OURS | {"ToDo threshold": "5"}]),
        ("method", "max, nearest", [OURS | {"ToDo method": "max"}, OURS]),
        ("start", "0.5, 0", [OURS | {"ToDo steps": "0.5-1"}, OURS]),
        ("end", "1, 0.5, 0", [OURS, OURS | {"ToDo steps": "0-0.5"}, {}]),
        ("pass", "first, hires, both", [OURS | {"ToDo pass": "first"}, {}, OURS]),
        ("enabled", "True, false, TRUE", [OURS, {}, OURS]),
    ],
)
def test_an_axis(ui_host: Host, axis: str, values: str, expected: list[dict[str, str]]) -> None:
    """Each cell tells its own; one in which nothing is pooled tells nothing."""
    ui_host.use("tiny15_a")
    body = plot(ui_host, (f"[ToDo] {axis}", values))
    answer = ui_host.txt2img(**TINY, **body, **todo(**BASE))
    assert cells(answer) == expected
    assert ui_host.probe_leftovers() == CLEAN


def test_two_axes_count_for_each_cell(ui_host: Host) -> None:
    """Plotting an axis of ToDo is wanting it, though the box is not ticked."""
    ui_host.use("tiny15_a")
    axes = plot(ui_host, ("[ToDo] threshold", "3, 2"), ("[ToDo] deep factor", "1, 2"))
    answer = ui_host.txt2img(**TINY | {"steps": 1}, **axes)
    expected = [
        Pooling(deep_factor=deep, threshold=threshold) for deep in (1, 2) for threshold in (3, 2)
    ]
    assert [(told["ToDo deep factor"], told["ToDo threshold"]) for told in cells(answer)] == [
        ("1", "3"),
        ("1", "2"),
        ("2", "3"),
        ("2", "2"),
    ]
    seen = ui_host.probe_counts()["rows"]
    for generation, pooling in enumerate(expected, 1):
        keys = {(row["height"], row["keys"]) for row in seen if row["generation"] == generation}
        wanted = {(side, pooling.keys((side, side), (8, 8))) for side in (8, 4, 2, 1)}
        assert keys == wanted


def test_the_image_of_a_cell_is_that_of_a_request(ui_host: Host) -> None:
    ui_host.use("tiny15_a")
    off = images(ui_host.txt2img(**TINY))[0]
    alone = images(ui_host.txt2img(**TINY, **todo(**BASE)))[0]
    axes = plot(ui_host, ("[ToDo] enabled", "True, False"))
    _, *made = images(ui_host.txt2img(**TINY, **axes, **todo(**BASE)))
    assert made == [alone, off]
    assert images(ui_host.txt2img(**TINY))[0] == off


@pytest.mark.parametrize(
    ("axis", "values", "named"),
    [
        ("factor", "2, 9", ("factor", "9", "1 to 8")),
        ("factor", "nan", ("factor", "nan", "1 to 8")),
        ("threshold", "0, 8", ("threshold", "0", "1 to 512")),
        ("method", "nearest, magic", ("method", "magic", "bilinear")),
        ("enabled", "maybe", ("enabled", "maybe", "true or false")),
        ("pass", "third", ("passes", "third", "both, first, hires")),
        ("end", "1.5", ("end", "1.5", "0 to 1")),
    ],
)
def test_a_bad_value_is_refused_before_the_first_cell(
    ui_host: Host, axis: str, values: str, named: tuple[str, ...]
) -> None:
    body = ui_host.body(**TINY, **plot(ui_host, (f"[ToDo] {axis}", values)))
    response = ui_host.request("POST", "/sdapi/v1/txt2img", json=body)
    assert not response.ok
    for part in named:
        assert part in response.json()["errors"]
    assert ui_host.probe_counts()["unet_calls"] == 0


def test_a_cell_whose_values_do_not_fit_together(ui_host: Host) -> None:
    """The host leaves such a cell empty and goes on; the others are right."""
    ui_host.use("tiny15_a")
    axes = plot(ui_host, ("[ToDo] start", "0, 0.8, 0.5"))
    with ui_host.log_since() as log:
        answer = ui_host.txt2img(**TINY, **axes, **todo(**BASE, end=0.6))
    first, failed, last = info(answer)["infotexts"][1:]
    assert parameters(first)["ToDo steps"] == "0-0.6"
    assert failed is None
    assert parameters(last)["ToDo steps"] == "0.5-0.6"
    assert "start = 0.8 is not allowed; start must be no greater than end (0.6)" in "\n".join(log)
    assert ui_host.probe_counts()["unet_calls"] == 4


def test_a_cell_that_fails_inside_the_unet(ui_host: Host) -> None:
    ui_host.use("tiny15_a")
    ui_host.probe_fault("raise", unet_call=4)
    axes = plot(ui_host, ("[ToDo] factor", "2, 3, 4"))
    answer = ui_host.txt2img(**TINY, **axes, **todo(**BASE))
    first, failed, last = info(answer)["infotexts"][1:]
    assert (parameters(first)["ToDo factor"], failed) == ("2", None)
    assert parameters(last)["ToDo factor"] == "4"
    assert ui_host.probe_leftovers() == CLEAN
    ui_host.probe_reset()
    assert parameters(infotext(ui_host.txt2img(**TINY))) == {}
    check(ui_host, "tiny15", first=Pass(64, 64, 2, None))
