"""The X/Y/Z plot: each axis, each cell with settings and an infotext of its own."""

from __future__ import annotations

from typing import Any

import pytest
from expect import CLEAN, all_pixels, first_pixels, info, todo
from host import Host
from kinds import every_kind
from plot import cells, plot
from told import generations, line, pooled

# grids of 8, 4, 2 and 1 a side
TINY = {"width": 64, "height": 64, "steps": 2}
BASE: dict[str, Any] = {"factor": 2, "deep_factor": 1, "threshold": 4}
OURS = {"ToDo preset": "balanced", "ToDo factor": "2"}
OURS |= {"ToDo deep factor": "1", "ToDo threshold": "4"}
AUTOMATIC = {key: text for key, text in OURS.items() if key != "ToDo factor"}
# three changes of a preset
CUSTOM = OURS | {"ToDo preset": "custom"}


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        # of a preset the tab's threshold stays
        (
            "preset",
            "fast, paper",
            [{"ToDo preset": name, "ToDo threshold": "4"} for name in ("fast", "paper")],
        ),
        (
            "factor",
            "3, 1, 0, automatic",
            [*(OURS | {"ToDo factor": text} for text in ("3", "1")), AUTOMATIC, AUTOMATIC],
        ),
        ("factor", "2-4", [OURS | {"ToDo factor": text} for text in "234"]),
        ("deep scale", "0, 2", [CUSTOM | {"ToDo deep scale": text} for text in ("0", "2")]),
        ("method", "max, nearest", [CUSTOM | {"ToDo method": "max"}, OURS]),
        ("end", "1, 0.5, 0", [OURS, *(OURS | {"ToDo end": end} for end in ("0.5", "0"))]),
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
    axes = plot(host, ("[ToDo] factor", "4, 2"), ("[ToDo] deep factor", "1, 2"))
    answer = host.txt2img(**TINY, **axes, **todo(enabled=False, threshold=4))
    cases = [(factor, deep) for deep in (1, 2) for factor in (4, 2)]
    told = [(int(cell["ToDo factor"]), int(cell["ToDo deep factor"])) for cell in cells(answer)]
    assert told == cases
    for generation, (factor, deep) in enumerate(cases, 1):
        rows = host.probe_counts()["rows"]
        keys = {row["height"]: row["keys"] for row in rows if row["generation"] == generation}
        assert (keys[8], keys[4]) == ((8 // factor) ** 2, (4 // deep) ** 2)


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
