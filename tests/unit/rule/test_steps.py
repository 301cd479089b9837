"""Steps as the user counts them: how many there were, and in how many something was pooled."""

from __future__ import annotations

import pytest
from counted_layers import BELOW, POOLED, count
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import Report, token_downsampling

FIVE = [(step, 5) for step in range(5)]
FIRST = [(step, 5, "first") for step in range(5)]
HIRES = [(step, 3, "hires") for step in range(3)]


@pytest.mark.parametrize(
    ("told", "steps"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([(0, 20)] * 4 + [(1, 20)], 2, id="several calls a step"),
        # Heun calls the model twice in every step but the last, or in that one too
        *[([(call, 2 * n - 1, "first", n) for call in range(2 * n - 1)], n) for n in (1, 2, 33)],
        *[([(call, 2 * n, "first", n) for call in range(2 * n)], n) for n in (2, 10, 33)],
        pytest.param([(step, 10) for step in range(25)], 10, id="past the count"),
        pytest.param(FIVE * 3, 15, id="batches"),
        pytest.param([*FIVE[:2], *FIVE[:3]], 5, id="an interrupted batch and the next"),
        pytest.param([*FIRST, *HIRES] * 2, 16, id="both passes"),
        pytest.param([(0, 1, "first"), (0, 1, "hires"), (0, 1, "first")], 3, id="one step each"),
    ],
)
def test_steps(told: list[tuple], steps: int) -> None:
    for pool in (True, False):
        report = Report()
        for arguments in told:
            report.progress(*arguments)
            count(report, range(3), *(POOLED if pool else BELOW), calls=2)
        assert report.steps == (steps * pool, steps)


def test_only_steps_in_which_something_was_pooled() -> None:
    report = Report()
    for call in range(39):
        report.progress(call, 39, "first", 20)
        count(report, range(1), *(POOLED if call < 20 else BELOW))
    assert report.steps == (10, 20)


def test_batches_of_one_step_are_told_apart_by_entering_again() -> None:
    downsampling = token_downsampling(paper(factor=2, threshold=2))
    model = spatial_transformer()
    for _ in range(3):
        with downsampling as report:
            report.progress(0, 1)
            run(model, image(4, 4), text())
    assert report.steps == (3, 3)
