"""Where a sampling is: moments that a host tells of, steps by timesteps, and samplers' rules."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Settings
from lib_todo.position import Moment, Position, TimestepClock
from lib_todo.samplers import BY_STEP, BY_TIMESTEP, UNKNOWN, rule_for, settings_for

# descending timesteps, each with how often the model is called at it
timesteps = st.lists(st.floats(0.01, 999), min_size=1, max_size=30, unique=True).map(
    lambda values: sorted(values, reverse=True)
)


def test_nobody_has_said_anything() -> None:
    position = Position()
    assert position.moment is None
    position.pause()
    assert position.moment == Moment(foreign=True)


def test_a_moment_as_it_was_told() -> None:
    position = Position()
    position.sampler = "Euler a"
    position.advance(3, 12, "hires")
    assert position.moment == Moment("hires", 1, 3, 0.25, (1, "hires", 3), "Euler a", told=True)
    position.pause()
    assert position.moment.foreign
    position.advance(4, 12, "hires")
    assert not position.moment.foreign


def test_a_new_pass_a_lower_step_and_an_expected_sampling_begin_anew() -> None:
    position, samplings = Position(), []
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


def test_both_evaluations_of_a_step_are_one_step() -> None:
    position, steps = Position(), []
    for evaluation in range(19):
        position.advance(evaluation, 19, shown_steps=10)
        steps.append(position.moment.step)
    assert steps == [evaluation // 2 for evaluation in range(19)]


def test_steps_past_the_count_go_on_while_the_fraction_stays() -> None:
    position = Position()
    for step in range(15):
        position.advance(step, 10)
        assert position.moment.step == step
        assert position.moment.fraction == min(step, 9) / 10


@given(values=timesteps, times=st.integers(1, 3))
def test_steps_by_timesteps(values: list[float], times: int) -> None:
    clock = TimestepClock()
    for step, value in enumerate(values):
        for _ in range(times):
            clock.see(value)
            assert (clock.sampling, clock.step) == (1, step)
            assert clock.fraction == pytest.approx(1 - value / values[0])


@given(first=timesteps, second=timesteps)
def test_a_higher_timestep_or_an_expected_sampling_begins_anew(
    first: list[float], second: list[float]
) -> None:
    clock = TimestepClock()
    for value in first:
        clock.see(value)
    if second[0] <= first[-1]:
        clock.expect_sampling()
    for step, value in enumerate(second):
        clock.see(value)
        assert (clock.sampling, clock.step) == (2, step)


def test_a_clock_without_timesteps_knows_no_fraction() -> None:
    clock = TimestepClock()
    assert clock.fraction is None
    clock.see(0.0)
    assert clock.fraction is None


# samplers


@pytest.mark.parametrize(
    ("sampler", "told", "hold", "careful"),
    [
        ("Euler a", True, 1, False),
        ("DDIMScheduler", False, 1, False),
        ("LMS", True, 0, True),
        ("LMSDiscreteScheduler", False, 0, True),
        ("PLMS", True, 2, True),
        ("PNDMScheduler", True, 2, True),
        ("DEIS", True, 0, True),
        ("DEISMultistepScheduler", False, 0, True),
        # each timestep counts, unless whole steps are told
        ("KDPM2DiscreteScheduler", False, 2, False),
        ("KDPM2DiscreteScheduler", True, 1, False),
        (None, False, 2, False),
    ],
)
def test_a_samplers_rule(sampler: str | None, told: bool, hold: int, careful: bool) -> None:
    rule = rule_for(sampler, told)
    assert (rule.hold, rule.careful) == (hold, careful)


def test_a_careful_rule_gives_factors_no_greater_than_the_papers() -> None:
    careful = [rule for rule in [*BY_STEP.values(), *BY_TIMESTEP.values()] if rule.careful]
    asked = Settings(factor=3, deep_factor=2)
    for rule in careful:
        assert settings_for(rule, Settings()) == dataclasses.replace(
            Settings(), scale=1.0, deep_scale=0.0
        )
        assert settings_for(rule, asked).factor == 3
        assert settings_for(rule, asked).deep_factor == 2
        assert settings_for(rule, Settings(scale=0.5, deep_scale=0)).scale == 0.5
    assert settings_for(UNKNOWN, Settings()) == Settings()
