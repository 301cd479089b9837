"""The X/Y/Z plot: each axis, each cell with settings and an infotext of its own."""

from __future__ import annotations

from typing import Any

import pytest
from expect import AXES, CLEAN, Pooling, all_pixels, first_pixels, info, todo
from host import Host
from kinds import every_kind
from plot import cells, ours, plot
from told import generations, line, pooled

# grids of 8, 4, 2 and 1 a side
TINY = {"width": 64, "height": 64, "steps": 2}
BASE: dict[str, Any] = {"factor": 2, "deep_factor": 1, "threshold": 4}
OURS = {
    "ToDo preset": "balanced",
    "ToDo factor": "2",
    "ToDo deep factor": "1",
    "ToDo threshold": "4",
}
# three changes of a preset
CUSTOM = OURS | {"ToDo preset": "custom"}
AUTOMATIC = {"ToDo factor": "automatic", "ToDo threshold": "4"}


@every_kind
def test_each_axis_is_there_once(host: Host) -> None:
    for is_img2img in (False, True):
        assert ours(host, is_img2img) == [f"[ToDo] {name}" for name in AXES]


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        # of a preset the tab's threshold stays
        ("preset", "fast, paper", [AUTOMATIC | {"ToDo preset": n} for n in ("fast", "paper")]),
        (
            "factor",
            "3, 1, 0, automatic",
            [OURS | {"ToDo factor": text} for text in ("3", "1", "automatic", "automatic")],
        ),
        ("deep scale", "0, 2", [CUSTOM | {"ToDo deep scale": text} for text in ("0", "2")]),
        ("method", "max, nearest", [CUSTOM | {"ToDo method": "max"}, OURS]),
        ("end", "1, 0.5, 0", [OURS, *(OURS | {"ToDo steps": f"0-{end}"} for end in ("0.5", "0"))]),
        ("enabled", "True, false, TRUE", [OURS, {}, OURS]),
    ],
)
def test_an_axis(host: Host, axis: str, values: str, expected: list[dict[str, str]]) -> None:
    """Each cell tells its own, also one in which nothing is pooled; what is off tells nothing."""
    answer = host.txt2img(**TINY, **plot(host, (f"[ToDo] {axis}", values)), **todo(**BASE))
    assert cells(answer) == expected
    assert host.probe_leftovers() == CLEAN


def test_two_axes_count_for_each_cell(host: Host) -> None:
    """Plotting an axis of ToDo is wanting it, though the box is not ticked."""
    axes = plot(host, ("[ToDo] threshold", "3, 2"), ("[ToDo] deep factor", "1, 2"))
    answer = host.txt2img(**TINY | {"steps": 1}, **axes)
    cases = [(deep, threshold) for deep in (1, 2) for threshold in (3, 2)]
    told = [(cell["ToDo deep factor"], cell["ToDo threshold"]) for cell in cells(answer)]
    assert told == [(str(deep), str(threshold)) for deep, threshold in cases]
    seen = host.probe_counts()["rows"]
    for generation, (deep, threshold) in enumerate(cases, 1):
        # the only step is a first one, with the paper's automatic factor
        pooling = Pooling(deep_factor=deep, threshold=threshold, deep_scale=1)
        keys = {(row["height"], row["keys"]) for row in seen if row["generation"] == generation}
        assert keys == {(side, pooling.keys((side, side), (8, 8))) for side in (8, 4, 2, 1)}


@every_kind
def test_cells_are_the_images_of_requests_and_one_line_names_what_differs(host: Host) -> None:
    """An image's own text has the settings alone; a cell that is off has no line."""
    off = first_pixels(host.txt2img(**TINY))
    factors = ({"factor": 2}, {"factor": 4})
    alone = [first_pixels(host.txt2img(**TINY, **todo(**BASE | one))) for one in factors]
    axes = plot(host, ("[ToDo] factor", "2, 4"), ("[ToDo] enabled", "True, False"))
    answer = host.txt2img(**TINY, **axes, **todo(**BASE))
    assert all_pixels(answer)[1:] == [*alone, off, off]
    told = generations(info(answer))
    assert [cell["settings"]["factor"] for cell in told] == [2, 4]
    assert [pooled(cell) for cell in told] == [{(64, 16): 5}, {(64, 4): 5}]
    lines = str(line(answer)).splitlines()
    assert ["factor 2" in lines[0], "factor 4" in lines[1], len(lines)] == [True, True, 2]
    assert all("ToDo report" not in text for text in info(answer)["infotexts"])


@every_kind
@pytest.mark.parametrize(
    ("axes", "more"),
    [
        ([("[ToDo] factor", "2, 9")], {}),
        ([("[ToDo] start", "0, 0.8, 0.5")], {"end": 0.6}),
    ],
    ids=["a bad value", "beside the tab's"],
)
def test_what_cannot_be_made_is_refused_before_the_first_cell(
    host: Host, axes: list[tuple[str, str]], more: dict[str, Any]
) -> None:
    body = host.body(**TINY, **plot(host, *axes), **todo(**BASE, **more))
    assert axes[0][0].removeprefix("[ToDo] ") in host.refusal(**body)
