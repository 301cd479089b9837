"""Where the sampling is, as a host tells it and as the timesteps show it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Report
from lib_todo.position import Moment, Position, TimestepClock


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
    assert (at.step, at.total, at.pass_name, report.steps) == (3, 7, "hires", (0, 1))
    assert vars(at) == before


def test_pause_lasts_until_the_next_progress() -> None:
    report = Report()
    assert not report.position.foreign_evaluation
    report.position.pause()
    assert report.position.foreign_evaluation
    report.progress(1, 2)
    assert not report.position.foreign_evaluation


# what was told, as the rule reads it


def test_where_nobody_has_said_anything() -> None:
    position = Position()
    assert position.moment is None
    position.pause()
    assert position.moment == Moment(foreign=True)


def test_all_that_was_told() -> None:
    position = Position()
    position.sampler = "euler"
    position.advance(5, 20, "hires")
    expected = Moment("hires", 1, 5, 0.25, (1, "hires", 5), "euler", foreign=False, told=True)
    assert position.moment == expected
    position.pause()
    assert position.moment.foreign
    assert position.moment.step == 5


def samplings(*told: tuple) -> list[int]:
    """The number of the sampling after each advance."""
    position, found = Position(), []
    for arguments in told:
        position.advance(*arguments)
        found.append(position.moment.sampling)
    return found


def test_a_sampling_goes_on_while_steps_do_not_fall() -> None:
    assert samplings((0, 3), (1, 3), (1, 3), (2, 3)) == [1, 1, 1, 1]


def test_a_lower_step_or_another_pass_begins_a_sampling() -> None:
    assert samplings((0, 2), (1, 2), (0, 2), (1, 2, "hires"), (1, 2)) == [1, 1, 2, 3, 4]


def test_an_expected_sampling_begins_whatever_its_step() -> None:
    position = Position()
    position.advance(0, 1)
    position.expect_sampling()
    position.advance(0, 1)
    position.advance(0, 1)
    assert position.moment.sampling == 2


def test_everything_told_but_a_pause_is_an_evaluation_of_its_own() -> None:
    position = Position()
    seen = [position.evaluation]
    for tell in (
        lambda: position.advance(0, 2),
        lambda: position.advance(0, 2),
        position.expect_sampling,
        position.pause,
    ):
        tell()
        seen.append(position.evaluation)
    assert seen == [0, 1, 2, 3, 3]


@given(steps=st.integers(1, 150), each=st.sampled_from([1, 2, 3]), missing=st.booleans())
def test_evaluations_of_one_step_share_it(steps: int, each: int, missing: bool) -> None:
    """Second-order samplers call the model once less in the last step, or not."""
    total = steps * each - (each - 1 if missing else 0)
    position = Position()
    for call in range(total):
        position.advance(call, total, "first", steps)
        moment = position.moment
        # a sampler of one step is one evaluation where its others are missing
        assert moment.step == call // (each if total > 1 else 1)
        assert Fraction(moment.fraction).limit_denominator(1000) == Fraction(call, total)
        assert moment.shown_step == (1, "first", call * steps // total)


@given(total=st.integers(1, 50), beyond=st.integers(0, 50))
def test_past_the_count_steps_go_on_and_the_fraction_stays(total: int, beyond: int) -> None:
    position = Position()
    position.advance(total - 1, total)
    last = position.moment
    position.advance(total + beyond, total)
    assert position.moment.step == total + beyond
    assert (position.moment.fraction, position.moment.shown_step) == (
        last.fraction,
        last.shown_step,
    )


# what the timesteps show


def by_clock(*timesteps: float) -> list[tuple[int, int]]:
    """(sampling, step) after each call."""
    clock, found = TimestepClock(), []
    for timestep in timesteps:
        clock.see(timestep)
        found.append((clock.sampling, clock.step))
    return found


def test_calls_at_one_timestep_are_one_step() -> None:
    assert by_clock(999, 999, 500, 500, 500, 1) == [(1, 0)] * 2 + [(1, 1)] * 3 + [(1, 2)]


def test_a_timestep_that_rises_begins_a_sampling() -> None:
    assert by_clock(999, 500, 999, 500, 501) == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)]


def test_an_expected_sampling_begins_at_a_lower_timestep_too() -> None:
    clock = TimestepClock()
    clock.see(999)
    clock.expect_sampling()
    assert clock.fraction is None
    clock.see(400)
    assert (clock.sampling, clock.step, clock.fraction) == (2, 0, 0)


@pytest.mark.parametrize("first", [0.0, -1.0])
def test_no_fraction_where_the_first_timestep_is_no_distance(first: float) -> None:
    clock = TimestepClock()
    assert clock.fraction is None
    clock.see(first)
    assert clock.fraction is None


@given(st.lists(st.integers(0, 999), min_size=2, max_size=50, unique=True))
def test_a_falling_schedule_is_one_sampling_from_0_towards_1(timesteps: list[int]) -> None:
    timesteps.sort(reverse=True)
    clock, fractions = TimestepClock(), []
    for number, timestep in enumerate(timesteps):
        clock.see(timestep)
        assert (clock.sampling, clock.step) == (1, number)
        fractions.append(clock.fraction)
    expected = [float(1 - Fraction(timestep, timesteps[0])) for timestep in timesteps]
    assert fractions == pytest.approx(expected)
    assert all(0 <= fraction <= 1 for fraction in fractions)
