"""Where a sampling is: positions that a host reports, and steps by timesteps."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Report
from lib_todo.position import Moment, Position
from lib_todo.steps import Steps

# descending timesteps, each with how often the model is called at it
timesteps = st.lists(st.floats(0.01, 999), min_size=1, max_size=30, unique=True).map(
    lambda values: sorted(values, reverse=True)
)


def test_a_moment_as_it_was_told() -> None:
    position, evaluations = Position(itertools.count(1)), []
    assert position.moment is None
    position.sampler = "Euler a"
    position.advance(3, 12, "hires")
    assert position.moment == Moment("hires", 1, 3, 0.25, (1, "hires", 3), "Euler a", reported=True)
    # everything told is an evaluation of its own
    for tell in (lambda: position.advance(4, 12), position.expect_sampling):
        tell()
        evaluations.append((position.evaluation, position.moment is None))
    assert evaluations == [(2, False), (3, True)]


def test_a_new_pass_a_lower_step_and_an_expected_sampling_begin_anew() -> None:
    position, samplings = Position(itertools.count(1)), []
    for step, pass_name, expected in [
        (0, "first", False),
        (1, "first", False),
        (1, "hires", False),
        (0, "hires", False),
        (0, "hires", True),
        (0, "hires", False),
    ]:
        if expected:
            position.expect_sampling()
        position.advance(step, 4, pass_name)
        samplings.append(position.moment.sampling)
    assert samplings == [1, 1, 2, 3, 4, 4]


def test_steps_past_the_count_go_on_while_the_fraction_stays() -> None:
    position = Position(itertools.count(1))
    for step in range(15):
        position.advance(step, 10)
        assert position.moment.step == step
        assert position.moment.fraction == min(step, 9) / 10


@pytest.mark.parametrize(
    "arguments", [(-1, 20), (0, 0), (0, -1), (0, 20, "second"), (0, 20, ""), (0, 20, None)]
)
def test_progress_that_cannot_be(arguments: tuple) -> None:
    report = Report()
    report.progress(3, 7, "hires")
    at = report.position
    before = dict(vars(at))
    with pytest.raises(ValueError, match=r"ToDo: progress\(") as caught:
        report.progress(*arguments)
    assert repr(arguments[-1]) in str(caught.value)
    assert (at.step, at.pass_name, report.steps) == (3, "hires", (0, 1))
    assert vars(at) == before


@given(steps=st.integers(1, 150), each=st.sampled_from([1, 2, 3]), missing=st.booleans())
def test_evaluations_of_one_step_share_it(steps: int, each: int, missing: bool) -> None:
    """Second-order samplers call the model once less in the last step, or not."""
    total = steps * each - (missing and each == 2)
    position = Position(itertools.count(1))
    for call in range(total):
        position.advance(call, total, "first", steps)
        moment = position.moment
        # a sampler of one step is one evaluation where its others are missing
        assert moment.step == call // (each if total > 1 else 1)
        assert Fraction(moment.fraction).limit_denominator(1000) == Fraction(call, total)
        assert moment.shown_step == (1, "first", call * steps // total)


@given(first=timesteps, second=timesteps, times=st.integers(1, 3))
def test_steps_by_timesteps_which_a_higher_one_or_an_expected_sampling_begins_anew(
    first: list[float], second: list[float], times: int
) -> None:
    clock = Steps(itertools.count(1))
    for sampling, values in enumerate((first, second), start=1):
        if sampling == 2 and second[0] <= first[-1]:
            clock.expect_sampling()
        for step, value in enumerate(values):
            for _ in range(times):
                moment = clock.see(value)
                assert (moment.sampling, moment.step) == (sampling, step)
                assert moment.fraction == pytest.approx(1 - value / values[0])


def test_no_fraction_is_known_at_the_timestep_0() -> None:
    clock = Steps(itertools.count(1))
    assert clock.see(0.0).fraction is None
    clock.see(999)
    clock.expect_sampling()
    assert clock.see(400).fraction == 0
