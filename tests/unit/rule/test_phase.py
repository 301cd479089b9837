"""The order of the phases, and how a layer gets from one to the next."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo.phase import FIXED, PhaseCounter, phase_order

FACTORS = [*range(1, 9), 1.25, 1.5, 2.5, 3.75, 7.999]


@pytest.mark.parametrize("factor", FACTORS)
def test_a_round_visits_each_phase_once_and_rows_and_columns_evenly(factor: float) -> None:
    side, order = math.ceil(factor), phase_order(factor)
    assert sorted(order) == list(itertools.product(range(side), repeat=2))
    assert order[0] == FIXED
    for start in range(0, side * side, side):
        rows, columns = zip(*order[start : start + side])
        assert sorted(rows) == sorted(columns) == list(range(side))


@given(
    factor=st.sampled_from(FACTORS),
    hold=st.integers(1, 4),
    calls=st.lists(st.integers(1, 3), min_size=1, max_size=80),
)
def test_the_phase_goes_on_with_the_steps_and_not_with_the_calls(
    factor: float, hold: int, calls: list[int]
) -> None:
    counter, order = PhaseCounter(), phase_order(factor)
    for step, times in enumerate(calls):
        wanted = order[step // hold % len(order)]
        for _ in range(times):
            assert counter.phase(0, step, factor, hold) == wanted


def test_each_sampling_begins_anew() -> None:
    counter, order = PhaseCounter(), phase_order(2)
    assert [counter.phase(0, step, 2, 1) for step in range(4)] == list(order)
    # also in the same step
    assert [counter.phase(1, step, 2, 1) for step in (3, 4)] == list(order[:2])
    begun_later = PhaseCounter(before=3)
    assert [begun_later.phase(0, step, 2, 1) for step in (3, 4)] == [order[3], order[0]]
