"""The X/Y/Z plot: each axis, each cell with settings and an infotext of its own."""

from __future__ import annotations

from typing import Any

import pytest
from expect import CLEAN, PAPER_TEXT, Pass, Pooling, check, info, infotext, parameters, todo
from host import Host, images
from requests_shared import AXES, axis_labels, cells, plot
from todo_report import generations, line, pooled

# Grids of 8, 4, 2 and 1 a side.
TINY = {"width": 64, "height": 64, "steps": 2}
BASE: dict[str, Any] = {"factor": 2, "deep_factor": 1, "threshold": 4}


@pytest.mark.parametrize("is_img2img", [False, True])
def test_each_axis_is_there_once(ui_host: Host, is_img2img: bool) -> None:
    labels = [label for label in axis_labels(ui_host, is_img2img) if "ToDo" in label]
    assert labels == [f"[ToDo] {name}" for name in AXES]


OURS = {
    "ToDo preset": "balanced",
    "ToDo factor": "2",
    "ToDo deep factor": "1",
    "ToDo threshold": "4",
}
AUTOMATIC = {"ToDo factor": "automatic"}
FAST = {"ToDo threshold": "32", "ToDo scale": "1", "ToDo deep scale": "0.5", **AUTOMATIC}


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        ("preset", "fast, paper", [FAST | {"ToDo preset": "fast"}, PAPER_TEXT | AUTOMATIC]),
        (
            "factor",
            "3, 1, 0, automatic",
            [OURS | {"ToDo factor": text} for text in ("3", "1", "automatic", "automatic")],
        ),
        ("threshold", "8, 5", [OURS | {"ToDo threshold": text} for text in ("8", "5")]),
        ("scale", "2, 0.5", [OURS | {"ToDo scale": text} for text in ("2", "0.5")]),
        ("deep scale", "0, 2", [OURS | {"ToDo deep scale": text} for text in ("0", "2")]),
        ("phase", "fixed, moving", [OURS | {"ToDo phase": "fixed"}, OURS]),
        ("method", "max, nearest", [OURS | {"ToDo method": "max"}, OURS]),
        ("start", "0.5, 0", [OURS | {"ToDo steps": "0.5-1"}, OURS]),
        ("end", "1, 0.5, 0", [OURS, *(OURS | {"ToDo steps": f"0-{end}"} for end in ("0.5", "0"))]),
        (
            "pass",
            "first, hires, both",
            [*(OURS | {"ToDo pass": name} for name in ("first", "hires")), OURS],
        ),
        ("enabled", "True, false, TRUE", [OURS, {}, OURS]),
    ],
)
def test_an_axis(ui_host: Host, axis: str, values: str, expected: list[dict[str, str]]) -> None:
    """Each cell tells its own, also one in which nothing is pooled; what is off tells nothing."""
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
        # the only step is a first one, with the paper's automatic factor
        Pooling(deep_factor=deep, threshold=threshold, deep_scale=1)
        for deep in (1, 2)
        for threshold in (3, 2)
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


def test_the_grids_line_names_what_differs_cell_by_cell(ui_host: Host) -> None:
    """An image's own text has the settings alone; a cell that is off has no line."""
    ui_host.use("tiny15_a")
    axes = plot(ui_host, ("[ToDo] factor", "2, 4"), ("[ToDo] enabled", "True, False"))
    answer = ui_host.txt2img(**TINY, **axes, **todo(**BASE))
    assert [cell["settings"]["factor"] for cell in generations(info(answer))] == [2, 4]
    assert [pooled(cell) for cell in generations(info(answer))] == [{(64, 16): 5}, {(64, 4): 5}]
    lines = str(line(answer)).splitlines()
    assert ["factor 2" in lines[0], "factor 4" in lines[1], len(lines)] == [True, True, 2]


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
        ("preset", "fast, fastest", ("preset", "fastest", "balanced")),
        ("deep scale", "-1", ("deep_scale", "-1", "0.1 to 4")),
        ("phase", "moved", ("phase", "moved", "fixed")),
    ],
)
def test_a_bad_value_is_refused_before_the_first_cell(
    ui_host: Host, axis: str, values: str, named: tuple[str, ...]
) -> None:
    body = ui_host.body(**TINY, **plot(ui_host, (f"[ToDo] {axis}", values)))
    response = ui_host.request("POST", "/sdapi/v1/txt2img", json=body)
    assert response.status_code == 422
    for part in named:
        assert part in response.json()["detail"]
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
    assert "ToDo: start = 0.8" in "\n".join(log)
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
