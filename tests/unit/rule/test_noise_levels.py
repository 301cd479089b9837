"""What schedules do at their ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo.noise_levels import closing_step, ends_high, falls, leap

# ten steps at a denoising strength of 0.6: ComfyUI's normal, and eleven of Karras'
NORMAL = [2.28, 1.807, 1.447, 1.163, 0.932, 0.739, 0.571, 0.418, 0.267, 0.029, 0.0]
KARRAS = [2.2, 1.6, 1.14, 0.8, 0.55, 0.37, 0.24, 0.15, 0.09, 0.05, 0.029, 0.0]


def test_the_leap_is_the_step_to_the_last_level() -> None:
    assert leap(NORMAL, 2) == closing_step(NORMAL) == 8
    assert leap(NORMAL, 5) is None
    assert leap(KARRAS, 1.65) is None
    assert closing_step(KARRAS) == 10


def test_only_the_second_half_counts() -> None:
    assert leap([14.6, 14.5, 10.0, 7.0, 4.9, 3.43, 0.0], 2) is None
    # Align Your Steps, at ten steps from a strength of 0.6
    steps = [1.886, 1.543, 1.233, 0.963, 0.743, 0.554, 0.399, 0.21, 0.088, 0.029, 0.0]
    assert leap(steps, 1.65) == 6
    assert leap(steps, 2) is None


@given(st.integers(2, 60), st.floats(0.01, 0.9))
def test_equal_steps_never_leap_and_the_last_one_closes(count: int, step: float) -> None:
    sigmas = [*(math.exp(-step * n) for n in range(count)), 0.0]
    assert leap(sigmas, 1.1) is None
    assert closing_step(sigmas) == count - 1
    assert falls(sigmas) and not falls(sigmas[::-1])


@pytest.mark.parametrize("sigmas", [[], [0.0], [1.0, 0.0], [14.6, 3.0, 0.0], [0.0, 1.0, 14.6]])
def test_schedules_without_a_step_before(sigmas: list[float]) -> None:
    """Also one that rises, by which an image is turned back into noise."""
    assert leap(sigmas, 2) is None


def test_a_part_of_a_schedule_does_not_close() -> None:
    assert closing_step(NORMAL[:6]) is None
    assert not ends_high(NORMAL[:6])


def test_a_last_step_from_much_noise_ends_high() -> None:
    assert ends_high([14.3, 9.5, 3.7, 0.0]) and ends_high([14.6, 0.0])
    assert not ends_high(KARRAS) and not ends_high([14.6, 6.0])
