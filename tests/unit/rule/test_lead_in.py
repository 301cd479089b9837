"""The lead-in, and samplers that amplify changes: automatic factors are the paper's there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Settings
from lib_todo.plan import LEAD_IN, Grid, in_lead_in, layer_factor, with_papers_factors
from lib_todo.position import Moment
from lib_todo.reasons import Reason
from lib_todo.rule import Rule
from lib_todo.settings import PRESETS

PAPER = Settings.from_preset("paper")
GRIDS = st.tuples(st.integers(1, 300), st.integers(1, 300))


@pytest.mark.parametrize("name", PRESETS)
@given(largest=GRIDS, deep=st.sampled_from([1, 2, 4, 8]))
def test_a_presets_factors_are_the_papers(name: str, largest: Grid, deep: int) -> None:
    """Also those of `fast`, which pools at the trained size too."""
    careful = with_papers_factors(Settings.from_preset(name))
    grid = -(-largest[0] // deep), -(-largest[1] // deep)
    assert layer_factor(grid, largest, careful) == layer_factor(grid, largest, PAPER)


@given(
    factor=st.sampled_from([0, 1, 2, 3.5]),
    deep_factor=st.sampled_from([0, 1, 2, 3.5]),
    threshold=st.integers(1, 512),
    scale=st.floats(0.125, 4),
    deep_scale=st.one_of(st.just(0.0), st.floats(0.125, 4)),
)
def test_numbers_asked_for_stay(
    factor: float, deep_factor: float, threshold: int, scale: float, deep_scale: float
) -> None:
    asked = Settings(True, factor, deep_factor, threshold, scale, deep_scale)
    careful = with_papers_factors(asked)
    assert (careful.factor, careful.deep_factor) == (factor, deep_factor)
    assert careful.threshold == threshold
    assert careful.scale == (scale if factor else min(scale, 1))
    assert careful.deep_scale == (deep_scale if deep_factor else 0)


@pytest.mark.parametrize(
    ("fraction", "told", "first"),
    [
        (0.0, True, True),
        (LEAD_IN - 0.01, True, True),
        (LEAD_IN, True, False),
        (None, True, False),
        # by the model's own timesteps alone, a lone call would always be a first one
        (0.0, False, False),
    ],
)
def test_an_evaluation_of_the_lead_in(fraction: float | None, told: bool, first: bool) -> None:
    moment = Moment(sampler="Euler", fraction=fraction, reported=told, step=0)
    assert in_lead_in(moment) is first
    assert Rule(Settings(), moment).careful is (Reason.LEAD_IN if first else None)


def test_what_the_papers_factors_leave_alone_is_their_doing() -> None:
    first = Moment(fraction=0.0, reported=True, step=0, sampler="Euler")
    late = Moment(fraction=0.9, reported=True, step=9, sampler="Euler")
    fast, grid = Settings.from_preset("fast"), (48, 48)
    assert Rule(fast, first).decide(grid, grid) == (1, Reason.LEAD_IN)
    assert Rule(fast, late).decide(grid, grid) == (2, None)
    lcm = Moment(fraction=0.9, reported=True, step=9, sampler="LCM")
    assert Rule(fast, lcm).decide(grid, grid) == (1, Reason.SAMPLER)
    assert Rule(fast, first).decide((16, 16), (16, 16)) == (1, Reason.BELOW_THRESHOLD)
