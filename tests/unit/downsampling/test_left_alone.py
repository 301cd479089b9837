"""Off, below the threshold, factor 1 and the like: bit for bit as without ToDo, with the reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import Report, token_downsampling
from lib_todo.reasons import Reason

MODEL = spatial_transformer(depth=2)


def progress(report: Report, at: tuple | None) -> None:
    """Report that step of a sampling; None: pause."""
    if at is None:
        report.progress(0, 4)
        report.position.pause()
    else:
        report.progress(*at)


@pytest.mark.parametrize(
    ("values", "at", "reason"),
    [
        ({"threshold": 10}, (0, 1), Reason.BELOW_THRESHOLD),
        ({"factor": 8, "threshold": 512}, (0, 1), Reason.BELOW_THRESHOLD),
        ({"factor": 1}, (0, 1), Reason.FACTOR_ONE),
        ({"factor": 0, "threshold": 9}, (0, 1), Reason.FACTOR_ONE),
        ({"factor": 1.01}, (0, 1), Reason.FACTOR_ONE),
        ({"start": 0.5}, (9, 20), Reason.OUTSIDE_WINDOW),
        ({"end": 0.5}, (10, 20), Reason.OUTSIDE_WINDOW),
        ({"start": 0.3, "end": 0.3}, (6, 20), Reason.OUTSIDE_WINDOW),
        ({"end": 0.9}, (40, 20), Reason.OUTSIDE_WINDOW),
        ({"passes": "hires"}, (0, 20), Reason.OTHER_PASS),
        ({"passes": "first"}, (0, 20, "hires"), Reason.OTHER_PASS),
        ({}, None, Reason.OTHER_GENERATION),
    ],
)
def test_bitwise_the_same_and_told_why(
    values: dict[str, Any], at: tuple | None, reason: Reason
) -> None:
    x, context = image(10, 10), text()
    without = run(MODEL, x, context)
    with token_downsampling(paper(**{"factor": 2, "threshold": 2, **values})) as report:
        progress(report, at)
        inside = run(MODEL, x, context)
    assert torch.equal(inside, without)
    assert report.pooled == {}
    assert {why: (len(t.layers), t.calls) for why, t in report.left_alone.items()} == {
        reason: (2, 2)
    }


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"threshold": 9}, (0, 1)),
        ({"start": 0.5}, (10, 20)),
        ({"end": 0.5}, (9, 20)),
        ({}, (40, 20)),
        ({"passes": "hires"}, (0, 20, "hires")),
        ({"passes": "first"}, (0, 20)),
    ],
)
def test_on_the_other_side_of_each_edge_it_is_pooled(values: dict[str, Any], at: tuple) -> None:
    """However often it is called: progress is never counted from calls."""
    with token_downsampling(paper(**{"factor": 2, "threshold": 2, **values})) as report:
        progress(report, at)
        for _ in range(3):
            run(MODEL, image(10, 10), text())
    assert {key: tally.calls for key, tally in report.pooled.items()} == {(100, 25): 6}
    assert report.left_alone == {}


def test_disabled_is_bitwise_the_same_and_counts_nothing() -> None:
    x, context = image(10, 10), text()
    with token_downsampling(paper(enabled=False, factor=2, threshold=2)) as report:
        inside = run(MODEL, x, context)
    assert torch.equal(inside, run(MODEL, x, context))
    assert report.tallies == {}
