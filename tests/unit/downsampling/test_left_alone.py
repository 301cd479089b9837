"""Off, below the threshold, factor 1 and the like: bit for bit as without ToDo, with the reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import Report, Settings, token_downsampling
from lib_todo.reasons import Reason

MODEL = spatial_transformer(depth=2)
Progress = Callable[[Report], None]


def at(step: int, total: int, pass_name: str = "first") -> Progress:
    return lambda report: report.progress(step, total, pass_name)


def paused(report: Report) -> None:
    report.progress(0, 4)
    report.position.pause()


CASES = [
    pytest.param(
        paper(factor=2, threshold=10), at(0, 1), Reason.BELOW_THRESHOLD, id="at threshold"
    ),
    pytest.param(paper(factor=8, threshold=512), at(0, 1), Reason.BELOW_THRESHOLD, id="below it"),
    pytest.param(paper(factor=1, threshold=2), at(0, 1), Reason.FACTOR_ONE, id="factor 1"),
    pytest.param(paper(threshold=9), at(0, 1), Reason.FACTOR_ONE, id="automatic 1"),
    pytest.param(paper(factor=1.01, threshold=2), at(0, 1), Reason.FACTOR_ONE, id="hardly above 1"),
    pytest.param(
        paper(factor=2, threshold=2, start=0.5), at(9, 20), Reason.OUTSIDE_WINDOW, id="too early"
    ),
    pytest.param(
        paper(factor=2, threshold=2, end=0.5), at(10, 20), Reason.OUTSIDE_WINDOW, id="too late"
    ),
    pytest.param(
        paper(factor=2, threshold=2, start=0.3, end=0.3),
        at(6, 20),
        Reason.OUTSIDE_WINDOW,
        id="empty window",
    ),
    pytest.param(
        paper(factor=2, threshold=2, end=0.9),
        at(40, 20),
        Reason.OUTSIDE_WINDOW,
        id="past the end",
    ),
    pytest.param(
        paper(factor=2, threshold=2, passes="hires"),
        at(0, 20),
        Reason.OTHER_PASS,
        id="first pass",
    ),
    pytest.param(
        paper(factor=2, threshold=2, passes="first"),
        at(0, 20, "hires"),
        Reason.OTHER_PASS,
        id="hires pass",
    ),
    pytest.param(paper(factor=2, threshold=2), paused, Reason.OTHER_GENERATION, id="paused"),
]


@pytest.mark.parametrize(("settings", "progress", "reason"), CASES)
def test_bitwise_the_same_and_told_why(
    settings: Settings, progress: Progress, reason: Reason
) -> None:
    x, context = image(10, 10), text()
    without = run(MODEL, x, context)
    with token_downsampling(settings) as report:
        progress(report)
        inside = run(MODEL, x, context)
    assert torch.equal(inside, without)
    assert report.pooled == {}
    assert {why: (len(t.layers), t.calls) for why, t in report.left_alone.items()} == {
        reason: (2, 2)
    }


@pytest.mark.parametrize(
    ("settings", "progress"),
    [
        (paper(factor=2, threshold=9), at(0, 1)),
        (paper(factor=2, threshold=2, start=0.5), at(10, 20)),
        (paper(factor=2, threshold=2, end=0.5), at(9, 20)),
        (paper(factor=2, threshold=2), at(40, 20)),
        (paper(factor=2, threshold=2, passes="hires"), at(0, 20, "hires")),
        (paper(factor=2, threshold=2, passes="first"), at(0, 20)),
    ],
)
def test_on_the_other_side_of_each_edge_it_is_pooled(
    settings: Settings, progress: Progress
) -> None:
    with token_downsampling(settings) as report:
        progress(report)
        run(MODEL, image(10, 10), text())
    assert list(report.pooled) == [(100, 25)]
    assert report.left_alone == {}


def test_disabled_is_bitwise_the_same_and_counts_nothing() -> None:
    x, context = image(10, 10), text()
    with token_downsampling(paper(enabled=False, factor=2, threshold=2)) as report:
        inside = run(MODEL, x, context)
    assert torch.equal(inside, run(MODEL, x, context))
    assert report.tallies == {}


def test_progress_is_never_counted_from_calls() -> None:
    with token_downsampling(paper(factor=2, threshold=2, end=0.5)) as report:
        report.progress(0, 4)
        for _ in range(7):
            run(MODEL, image(10, 10), text())
        assert report.left_alone == {}
        report.progress(2, 4)
        run(MODEL, image(10, 10), text())
    assert list(report.left_alone) == [Reason.OUTSIDE_WINDOW]
    assert sum(tally.calls for tally in report.pooled.values()) == 14


def test_after_a_pause_progress_goes_on() -> None:
    with token_downsampling(paper(factor=2, threshold=2)) as report:
        paused(report)
        report.progress(1, 4)
        run(MODEL, image(10, 10), text())
    assert list(report.pooled) == [(100, 25)]


def test_off_after_on_is_bitwise_the_same() -> None:
    x, context = image(10, 10), text()
    without = run(MODEL, x, context)
    with token_downsampling(paper(factor=2, threshold=2)):
        assert not torch.equal(run(MODEL, x, context), without)
    assert torch.equal(run(MODEL, x, context), without)
