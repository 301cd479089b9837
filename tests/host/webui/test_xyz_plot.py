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
# three changes of a preset
CUSTOM = OURS | {"ToDo preset": "custom"}
AUTOMATIC = {"ToDo factor": "automatic", "ToDo threshold": "4"}


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        ("preset", "fast, paper", [AUTOMATIC | {"ToDo preset": "fast"}, PAPER_TEXT | AUTOMATIC]),
        (
            "factor",
            "3, 1, 0, automatic",
            [OURS | {"ToDo factor": text} for text in ("3", "1", "automatic", "automatic")],
        ),
        ("threshold", "8, 5", [OURS | {"ToDo threshold": text} for text in ("8", "5")]),
        ("scale", "2, 0.5", [CUSTOM | {"ToDo scale": text} for text in ("2", "0.5")]),
        ("deep scale", "0, 2", [CUSTOM | {"ToDo deep scale": text} for text in ("0", "2")]),
        ("phase", "fixed, moving", [CUSTOM | {"ToDo phase": "fixed"}, OURS]),
        ("method", "max, nearest", [CUSTOM | {"ToDo method": "max"}, OURS]),
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


@pytest.mark.parametrize(
    ("axes", "more"),
    [
        ([("[ToDo] start", "0, 0.8, 0.5")], {"end": 0.6}),
        ([("[ToDo] start", "0, 0.8"), ("[ToDo] end", "1, 0.6")], {}),
        ([("[ToDo] preset", "")], {}),
    ],
    ids=["the tab's", "another axis'", "nothing chosen"],
)
def test_values_that_do_not_fit_together_are_refused_before_the_first_cell(
    ui_host: Host, axes: list[tuple[str, str]], more: dict[str, Any]
) -> None:
    body = ui_host.body(**TINY, **plot(ui_host, *axes), **todo(**BASE, **more))
    response = ui_host.request("POST", "/sdapi/v1/txt2img", json=body)
    assert response.status_code == 422
    assert ui_host.probe_counts()["unet_calls"] == 0


def test_axes_may_allow_together_what_the_tab_would_not(ui_host: Host) -> None:
    ui_host.use("tiny15_a")
    axes = plot(ui_host, ("[ToDo] start", "0.6"), ("[ToDo] end", "0.9, 1"))
    answer = ui_host.txt2img(**TINY, **axes, **todo(**BASE, end=0.5))
    assert [told["ToDo steps"] for told in cells(answer)] == ["0.6-0.9", "0.6-1"]


def test_a_preset_keeps_the_tabs_threshold(ui_host: Host) -> None:
    ui_host.use("tiny15_a")
    axes = plot(ui_host, ("[ToDo] preset", "fast, paper"))
    answer = ui_host.txt2img(**TINY, **axes, **todo(threshold=4))
    assert cells(answer) == [
        {"ToDo preset": preset, "ToDo factor": "automatic", "ToDo threshold": "4"}
        for preset in ("fast", "paper")
    ]


def test_checkpoints_that_come_back_count_as_the_same_layers(ui_host: Host) -> None:
    ui_host.use("tiny15_a")
    axes = plot(ui_host, ("Checkpoint name", "tiny15_a, tiny15_b, tiny15_a"), ("Seed", "1, 2"))
    answer = ui_host.txt2img(**TINY, **axes, **todo(**BASE))
    told = generations(info(answer))
    assert [cell["checkpoint"] for cell in told] == ["tiny15_a", "tiny15_b"]
    assert [(cell["layers"], pooled(cell)) for cell in told] == [(16, {(64, 16): 5})] * 2


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
