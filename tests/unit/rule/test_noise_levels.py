"""Schedules that leap at the end, and what multistep samplers get there."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Settings
from lib_todo.noise_levels import rest_from
from lib_todo.phase import PhaseCounter
from lib_todo.plan import with_papers_factors
from lib_todo.position import Moment
from lib_todo.report import Report
from lib_todo.runs.evaluation import Evaluation
from lib_todo.samplers import is_multistep

# ten steps at a denoising strength of 0.6: ComfyUI's normal, and Karras'
NORMAL = [2.28, 1.807, 1.447, 1.163, 0.932, 0.739, 0.571, 0.418, 0.267, 0.029, 0.0]
KARRAS = [2.2, 1.6, 1.14, 0.8, 0.55, 0.37, 0.24, 0.15, 0.09, 0.05, 0.029, 0.0]


def test_the_last_steps_before_a_leap() -> None:
    """The step from 0.267 to 0.029 is the eighth; it extrapolates from two before it."""
    assert rest_from(NORMAL) == 6
    assert rest_from(KARRAS) is None


@given(st.integers(2, 60), st.floats(0.01, 2))
def test_equal_steps_never_leap(count: int, step: float) -> None:
    assert rest_from([*(math.exp(-step * n) for n in range(count)), 0.0]) is None


@pytest.mark.parametrize("sigmas", [[], [0.0], [1.0, 0.0], [14.6, 3.0, 0.0], [0.0, 1.0, 14.6]])
def test_schedules_without_a_step_before(sigmas: list[float]) -> None:
    """Also one that rises, by which an image is turned back into noise."""
    assert rest_from(sigmas) is None


@pytest.mark.parametrize(
    ("name", "multistep"),
    [
        ("DPM++ 2M", True),
        ("DPM++ 3M SDE", True),
        ("dpmpp_2m_sde_gpu", True),
        ("Res Multistep", True),
        ("ER SDE", True),
        ("SA-Solver", True),
        ("Euler a", False),
        ("DPM2", False),
        ("LCM", False),
        ("Heun", False),
        (None, False),
    ],
)
def test_which_samplers_extrapolate(name: str | None, multistep: bool) -> None:
    assert is_multistep(name) is multistep


def evaluation(sampler: str, step: int, rest: int | None) -> Evaluation:
    moment = Moment(step=step, fraction=step / 10, sampler=sampler, reported=True, rest_from=rest)
    return Evaluation(Settings(), moment)


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler"])
def test_a_multistep_samplers_phase_rests_with_the_papers_factors(sampler: str) -> None:
    layer, phases, report = type("Layer", (), {})(), PhaseCounter(), Report()
    taken = []
    for step in range(10):
        now = evaluation(sampler, step, rest_from(NORMAL))
        taken.append((now.phase(layer, 2, phases, report), now.settings))
    rests = sampler == "DPM++ 2M"
    assert len({phase for phase, _ in taken[6:]}) == (1 if rests else 4)
    assert len({phase for phase, _ in taken[:6]}) == 4
    late = {settings for _, settings in taken[7:]}
    assert late == {with_papers_factors(Settings()) if rests else Settings()}
    assert list(report.passes["first"].rested) == ([sampler] if rests else [])


def test_without_a_leap_nothing_rests() -> None:
    assert not evaluation("DPM++ 2M", 9, rest_from(KARRAS)).rests
