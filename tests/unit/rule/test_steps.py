"""Steps as the user counts them: how many there were, and in how many something was pooled."""

from __future__ import annotations

import pytest
from counted_layers import BELOW, POOLED, count
from ldm_models import image, run, spatial_transformer, text
from settings_of import paper

from lib_todo import Report, token_downsampling


def steps_told(*told: tuple, pool: bool = True) -> tuple[int, int]:
    """(steps pooled, steps seen) after each progress was followed by a call of the model."""
    report = Report()
    for arguments in told:
        report.progress(*arguments)
        if pool:
            count(report, range(1), *POOLED)
    return report.steps


def test_every_step_of_a_sampling() -> None:
    assert steps_told(*[(step, 20) for step in range(20)]) == (20, 20)
    assert steps_told(*[(step, 20) for step in range(20)], pool=False) == (0, 20)


def test_only_steps_in_which_something_was_pooled() -> None:
    report = Report()
    for step in range(20):
        report.progress(step, 20)
        count(report, range(1), *(POOLED if step < 7 else BELOW))
    assert report.steps == (7, 20)


def test_several_calls_in_a_step_are_one_step() -> None:
    report = Report()
    report.progress(0, 20)
    count(report, range(3), *POOLED, calls=4)
    report.progress(0, 20)
    count(report, range(3), *POOLED)
    assert report.steps == (1, 1)


@pytest.mark.parametrize("steps", [1, 2, 10, 20, 33])
def test_second_order_samplers_count_the_steps_the_user_knows(steps: int) -> None:
    """Heun calls the model twice in every step but the last."""
    total = 2 * steps - 1
    told = [(call, total, "first", steps) for call in range(total)]
    assert steps_told(*told) == (steps, steps)
    assert steps_told(*[arguments[:2] for arguments in told]) == (total, total)


@pytest.mark.parametrize("steps", [2, 10, 33])
def test_second_order_samplers_with_two_calls_in_the_last_step_too(steps: int) -> None:
    told = [(call, 2 * steps, "first", steps) for call in range(2 * steps)]
    assert steps_told(*told) == (steps, steps)


def test_half_of_a_second_order_sampling() -> None:
    report = Report()
    for call in range(39):
        report.progress(call, 39, "first", 20)
        count(report, range(1), *(POOLED if call < 20 else BELOW))
    assert report.steps == (10, 20)


def test_samplers_that_run_past_their_count_stay_in_the_last_step() -> None:
    assert steps_told(*[(step, 10) for step in range(25)]) == (10, 10)


def test_batches_add_up() -> None:
    batch = [(step, 5) for step in range(5)]
    assert steps_told(*batch, *batch, *batch) == (15, 15)


def test_an_interrupted_batch_and_the_next() -> None:
    assert steps_told((0, 5), (1, 5), (2, 5), (0, 5), (1, 5)) == (5, 5)


def test_both_passes_add_up() -> None:
    first = [(step, 5, "first") for step in range(5)]
    hires = [(step, 3, "hires") for step in range(3)]
    assert steps_told(*first, *hires, *first, *hires) == (16, 16)


def test_one_step_passes_are_told_apart() -> None:
    assert steps_told((0, 1, "first"), (0, 1, "hires"), (0, 1, "first")) == (3, 3)


def test_batches_of_one_step_are_told_apart_by_entering_again() -> None:
    downsampling = token_downsampling(paper(factor=2, threshold=2))
    model = spatial_transformer()
    for _ in range(3):
        with downsampling as report:
            report.progress(0, 1)
            run(model, image(4, 4), text())
    assert report.steps == (3, 3)


def test_without_any_progress_no_steps_are_claimed() -> None:
    report = Report()
    count(report, range(1), *POOLED)
    assert report.steps == (0, 0)
