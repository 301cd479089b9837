"""How the phase moves and which factors hold, by sampler and schedule."""

from __future__ import annotations

import pytest

from lib_todo import Settings
from lib_todo.phase import FIXED, PhaseCounter
from lib_todo.position import Moment
from lib_todo.report import Report
from lib_todo.rule import Rule
from lib_todo.samplers import SamplerRule, order_of, rule_for

# by ComfyUI's functions for SD 1.x: ten steps at a denoising strength of 0.6, and eight from noise
NORMAL = (2.28, 1.807, 1.447, 1.163, 0.932, 0.739, 0.571, 0.418, 0.267, 0.029, 0.0)
SIMPLE = (2.318, 1.878, 1.535, 1.264, 1.046, 0.862, 0.702, 0.555, 0.413, 0.256, 0.0)
KARRAS = (2.2, 1.37, 0.94, 0.63, 0.42, 0.27, 0.17, 0.1, 0.06, 0.029, 0.0)
ALIGN_YOUR_STEPS = (1.886, 1.543, 1.233, 0.963, 0.743, 0.554, 0.399, 0.21, 0.088, 0.029, 0.0)
LINEAR_QUADRATIC = (14.31, 14.249, 13.906, 12.999, 11.528, 9.492, 6.892, 3.728, 0.0)
LAST_ONE = SamplerRule(careful_from=19)
PAPERS = SamplerRule(careful_from=0, rest_from=0)
CAREFUL = SamplerRule(careful_from=0)


@pytest.mark.parametrize(
    ("sampler", "reported", "rule"),
    [
        ("Euler a", True, SamplerRule()),
        ("DDIMScheduler", False, SamplerRule()),
        ("DPM++ 2M", True, SamplerRule()),
        ("UniPC", True, SamplerRule()),
        ("LMS", True, PAPERS),
        ("LMSDiscreteScheduler", False, PAPERS),
        ("DEISMultistepScheduler", False, PAPERS),
        # one sampler by the names of two hosts
        ("IPNDM_V", True, PAPERS),
        ("ipndm_v", True, PAPERS),
        ("DPM adaptive", True, PAPERS),
        ("dpm_adaptive", True, PAPERS),
        ("LCM", True, CAREFUL),
        ("PLMS", True, SamplerRule(hold=2, careful_from=0)),
        # each timestep counts, unless whole steps are told
        ("KDPM2DiscreteScheduler", False, SamplerRule(hold=2)),
        ("KDPM2DiscreteScheduler", True, SamplerRule()),
        # nobody has heard of it
        ("hyperion", True, CAREFUL),
        (None, True, CAREFUL),
        (None, False, SamplerRule(hold=2, careful_from=0)),
    ],
)
def test_by_the_name_alone(sampler: str | None, reported: bool, rule: SamplerRule) -> None:
    assert rule_for(sampler, reported) == rule


@pytest.mark.parametrize(
    ("sampler", "sigmas", "rule"),
    [
        # the last step weighs most; where it only takes the rest of the noise, the one before
        ("euler", SIMPLE, SamplerRule(careful_from=9)),
        ("euler", NORMAL, SamplerRule(careful_from=8)),
        ("euler", KARRAS, SamplerRule(careful_from=9)),
        ("heunpp2", NORMAL, SamplerRule(careful_from=8)),
        # of the second order: from the step before; at a leap the phase rests as well
        ("dpmpp_2m", SIMPLE, SamplerRule(careful_from=8)),
        ("DPM++ 2M", NORMAL, SamplerRule(careful_from=7, rest_from=5)),
        # of a higher one: the paper's own at a leap, and with few steps
        ("dpmpp_3m_sde", SIMPLE, CAREFUL),
        # of those that add noise, ten steps are few
        ("seeds_2", SIMPLE, CAREFUL),
        ("DPM2 a", SIMPLE, CAREFUL),
        ("dpmpp_2m_sde", NORMAL, SamplerRule(careful_from=0, rest_from=5)),
        ("euler_ancestral", (*(0.8**step for step in range(20)), 0.0), LAST_ONE),
        ("DPM++ 3M SDE", ALIGN_YOUR_STEPS, PAPERS),
        ("DPM++ 2M", ALIGN_YOUR_STEPS, SamplerRule(careful_from=7)),
        ("dpmpp_3m_sde", NORMAL, PAPERS),
        ("lms", SIMPLE, PAPERS),
        ("hyperion", SIMPLE, PAPERS),
        (None, NORMAL, PAPERS),
        # a single step to 0 decides
        ("euler", LINEAR_QUADRATIC, PAPERS),
        ("euler", (14.6, 0.0), PAPERS),
        # named ones are what they are
        ("lcm", SIMPLE, CAREFUL),
        ("dpm_adaptive", KARRAS, PAPERS),
        # a part of a schedule has no closing step, and one that rises makes noise
        ("euler", NORMAL[:6], SamplerRule()),
        ("euler", NORMAL[::-1], CAREFUL),
    ],
)
def test_by_the_schedule(sampler: str | None, sigmas: tuple[float, ...], rule: SamplerRule) -> None:
    assert rule_for(sampler, reported=True, sigmas=sigmas) == rule


def test_with_enough_steps_a_higher_order_moves_where_the_schedule_does_not_leap() -> None:
    smooth = (*(0.9**step for step in range(30)), 0.0)
    assert rule_for("lms", True, smooth) == SamplerRule(careful_from=26)
    assert rule_for("hyperion", True, smooth) == SamplerRule(careful_from=26)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("DPM++ 2M SDE Heun", 2),
        ("dpmpp_2m_sde_gpu", 2),
        ("Res Multistep", 2),
        ("DPMSolverMultistepScheduler", 2),
        ("ER SDE", 2),
        ("DPM++ 3M SDE", 3),
        ("SA-Solver", 3),
        ("UniPCMultistepScheduler", 3),
        ("DEISMultistepScheduler", 4),
        ("DPM++ SDE", 1),
        ("DPM2 a", 1),
        ("exp_heun_2_x0_sde", 1),
        ("Euler SMEA Dy", 1),
        ("hyperion", None),
    ],
)
def test_the_order_of_a_sampler(name: str, order: int | None) -> None:
    assert order_of(name) == order


@pytest.mark.parametrize(
    ("sampler", "moving", "own_factors"),
    [("dpmpp_2m", 5, range(3, 5)), ("euler", 10, range(3, 8)), ("dpmpp_3m_sde", 0, range(0))],
)
def test_steps_by_their_rule(sampler: str, moving: int, own_factors: range) -> None:
    """Which phases and settings ten steps get, and what the report says."""
    transformer, phases, report = type("Transformer", (), {})(), PhaseCounter(), Report()
    taken = []
    for step in range(10):
        of_step = {"step": step, "fraction": step / 10, "sampler": sampler, "sigmas": NORMAL}
        rule = Rule(Settings(), Moment(**of_step, reported=True))
        rule.note_phase(report)
        taken.append((rule.phase(phases, transformer, 2), rule.careful is not None))
    assert all(phase == FIXED for phase, _ in taken[moving:])
    assert len({phase for phase, _ in taken[:moving]}) == min(moving, 4)
    assert [step for step, (_, careful) in enumerate(taken) if not careful] == list(own_factors)
    told = [(list(counts.rested), counts.held) for counts in report.passes.values()]
    assert told == {0: [([], {sampler: 0})], 5: [([sampler], {})], 10: []}[moving]
