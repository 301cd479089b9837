"""The SMEA samplers: several evaluations at one noise level, some of another latent size."""

from __future__ import annotations

import pytest
from expect import infotext, todo
from host_with_others import SMEA, HostWithOthers, needs, rows
from other_extension_cases import Case
from phases_seen import phases
from todo_report import report_of, steps, used

pytestmark = needs(SMEA)

# 32×32 tokens at the image's size, which alone are above the threshold
ALONE = {"preset": "close", "factor": 2, "deep_factor": 1, "threshold": 20}
HALF, LARGER = (16, 16), (40, 40)
UNKNOWN = "Kohaku_LoNyu_Yog"


@pytest.mark.parametrize(
    ("sampler", "evaluations"),
    [("Euler SMEA Dy", 6), ("Euler Dy", 6), ("Kohaku_LoNyu_Yog", 12)],
)
def test_a_window_is_of_the_samplers_own_steps(
    crowded: HostWithOthers, sampler: str, evaluations: int
) -> None:
    """Half of 8 steps are 4, however many evaluations these take; some are of another size."""
    case = Case(SMEA, {"sampler_name": sampler, "steps": 8})
    answer = case.txt2img(crowded, todo(**{**ALONE, "threshold": 8}, end=0.5))
    found = {
        (row[2], row[3])
        for row in rows(crowded)
        if row[5] > row[6] and row[3].startswith("input_blocks.1.")
    }
    assert len(found) == evaluations
    assert steps(report_of(answer)) == (4, 8)


@pytest.mark.parametrize("sampler", ["Euler SMEA Dy", "Euler Negative Dy", UNKNOWN])
def test_a_step_has_one_phase_and_all_are_visited(crowded: HostWithOthers, sampler: str) -> None:
    crowded.post("/todo-probe/watch_positions")
    case = Case(SMEA, {"sampler_name": sampler, "steps": 8})
    answer = case.txt2img(crowded, todo(**ALONE))
    taken = [phase for _, phase in phases(crowded.probe_positions())]
    order = [phase for at, phase in enumerate(taken) if at == 0 or phase != taken[at - 1]]
    # eight steps are few for a sampler whose order is not known
    assert order == ([(0, 0)] if sampler == UNKNOWN else [(0, 0), (1, 1), (0, 1), (1, 0)] * 2)
    assert steps(report_of(answer)) == (8, 8)
    assert used(infotext(answer))["first"] == {(32, 32): 2}


def test_each_size_is_pooled_by_its_own_grid(crowded: HostWithOthers) -> None:
    case = Case(SMEA, {"sampler_name": "Euler SMEA Dy", "steps": 4})
    case.txt2img(crowded, todo(preset="paper", threshold=12))
    keys = {row[4]: row[6] for row in rows(crowded) if row[3].startswith("input_blocks.1.")}
    # by 1, 3 and 3: the whole numbers nearest to 16/12, 32/12 and 40/12
    assert keys == {HALF: 256, (32, 32): 11 * 11, LARGER: 14 * 14}
