"""Off, below the threshold, factor 1 and the like: bit for bit as without ToDo, with the reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.reasons import Reason

MODEL = spatial_transformer(depth=2)


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
        # on the other side of each edge it is pooled
        ({"threshold": 9}, (0, 1), None),
        ({"start": 0.5}, (10, 20), None),
        ({"end": 0.5}, (9, 20), None),
        ({}, (40, 20), None),
        ({"passes": "hires"}, (0, 20, "hires"), None),
        ({"passes": "first"}, (0, 20), None),
    ],
)
def test_bitwise_the_same_and_told_why(
    values: dict[str, Any], at: tuple, reason: Reason | None
) -> None:
    """However often it is called: progress is never counted from calls."""
    x, context = image(10, 10), text()
    without = run(MODEL, x, context)
    with token_downsampling(paper(**{"factor": 2, "threshold": 2, **values})) as report:
        report.progress(*at)
        inside = [run(MODEL, x, context) for _ in range(3)]
    assert [torch.equal(each, without) for each in inside] == [reason is not None] * 3
    left = {why: (len(t.layers), t.calls) for why, t in report.left_alone.items()}
    assert left == ({reason: (2, 6)} if reason else {})
    assert {key: t.calls for key, t in report.pooled.items()} == ({} if reason else {(100, 25): 6})
