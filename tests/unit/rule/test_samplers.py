"""How the phase moves and which factors hold, by sampler, schedule and step."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_todo import Settings
from lib_todo.phase import FIXED, PhaseCounter
from lib_todo.plan import Grid, layer_factor, with_papers_factors
from lib_todo.position import Moment
from lib_todo.reasons import Reason
from lib_todo.report import Report
from lib_todo.rule import Rule
from lib_todo.samplers import SamplerRule, closing_step, leap_of, order_of, rule_for
from lib_todo.settings import PRESETS

# by ComfyUI's functions for SD 1.x: ten steps at a denoising strength of 0.6, and eight from noise
# of A1111's kind
BETA = (8.0, 6.9, 5.7, 4.5, 3.4, 2.2, 0.8, 0.2, 0.0)
NORMAL = (2.28, 1.807, 1.447, 1.163, 0.932, 0.739, 0.571, 0.418, 0.267, 0.029, 0.0)
SIMPLE = (2.318, 1.878, 1.535, 1.264, 1.046, 0.862, 0.702, 0.555, 0.413, 0.256, 0.0)
KARRAS = (2.2, 1.37, 0.94, 0.63, 0.42, 0.27, 0.17, 0.1, 0.06, 0.029, 0.0)
ALIGN_YOUR_STEPS = (1.886, 1.543, 1.233, 0.963, 0.743, 0.554, 0.399, 0.21, 0.088, 0.029, 0.0)
LINEAR_QUADRATIC = (14.31, 14.249, 13.906, 12.999, 11.528, 9.492, 6.892, 3.728, 0.0)
FINE = tuple(14.6 * 0.8**step for step in range(40))
SMOOTH = (*(0.9**step for step in range(30)), 0.0)
LAST_ONE = SamplerRule(careful_from=19)
PAPERS = SamplerRule(careful_from=0, rest_from=0)
CAREFUL = SamplerRule(careful_from=0)


def closing_from(step: int, ratio: float = 0.9) -> tuple[float, ...]:
    """Twenty steps from noise, of which those from `step` on take most of it away."""
    even = [14.6 * ratio**number for number in range(step + 1)]
    return (*even, *(even[-1] * 0.3**number for number in range(1, 20 - step)), 0.0)


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
        ("DPM++ 2M", NORMAL, SamplerRule(careful_from=5, rest_from=5)),
        # of a higher one: the paper's own at a leap, and with few steps
        ("dpmpp_3m_sde", SIMPLE, PAPERS),
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
        # with enough steps a higher order moves where the schedule does not leap
        ("ipndm", SMOOTH, SamplerRule(careful_from=26)),
        # but not LMS, by the names of three hosts
        ("lms", SMOOTH, PAPERS),
        ("LMS Karras", SMOOTH, PAPERS),
        ("LMSDiscreteScheduler", SMOOTH, PAPERS),
        ("hyperion", SMOOTH, SamplerRule(careful_from=26)),
        # CFG++ takes the paper's factors: by those of `fast` it erred up to 2.7 times as much
        *[(name, FINE, CAREFUL) for name in ("euler_cfg_pp", "dpmpp_2m_cfg_pp", "DPM++ 2M CFG++")],
        # a single step to 0 decides
        ("euler", LINEAR_QUADRATIC, PAPERS),
        ("euler", (14.6, 0.0), PAPERS),
        # named ones are what they are
        ("lcm", SIMPLE, CAREFUL),
        ("dpm_adaptive", KARRAS, PAPERS),
        # three steps that take most of the noise, after five others, and after six
        ("euler", BETA, CAREFUL),
        # few from noise before a leap, where no phases are averaged over
        ("dpmpp_2m", BETA, PAPERS),
        ("euler", tuple(level / 2 for level in (9.5, *BETA)), SamplerRule(careful_from=6)),
        # few steps from noise, and more
        ("euler", tuple(14.6 * 0.7**step for step in range(13)), CAREFUL),
        ("euler", tuple(14.6 * 0.7**step for step in range(14)), SamplerRule(lead_in=2 / 3)),
        # a high level after two thirds, and few steps between these and the closing ones
        ("euler", closing_from(18), CAREFUL),
        ("euler", closing_from(18, 0.7), SamplerRule(careful_from=18, lead_in=2 / 3)),
        ("euler", closing_from(17, 0.7), CAREFUL),
        # a part of a schedule has no closing step, and one that rises makes noise
        ("euler", NORMAL[:6], SamplerRule()),
        ("euler", NORMAL[::-1], CAREFUL),
        # diffusers': with few steps the second order moves, but not over a leap, nor with noise
        ("UniPCMultistepScheduler", SIMPLE[-5:], CAREFUL),
        ("UniPCMultistepScheduler", NORMAL[5:], PAPERS),
        ("DPMSolverMultistepScheduler (sde-dpmsolver++)", SIMPLE[-5:], PAPERS),
        ("DPMSolverMultistepScheduler (sde-dpmsolver++)", SIMPLE, CAREFUL),
        # of the third order, as its configuration tells
        ("DPMSolverMultistepScheduler (sde-dpmsolver++, 3M)", NORMAL, PAPERS),
        ("RESMultistepScheduler", NORMAL, PAPERS),
        ("PNDMScheduler", SIMPLE[-6:], PAPERS),
        ("PNDMScheduler", SIMPLE, SamplerRule(hold=2, careful_from=0)),
        # each step of the schedule is two timesteps
        ("KDPM2DiscreteScheduler", SIMPLE, SamplerRule(hold=2, careful_from=18)),
        ("KDPM2DiscreteScheduler", NORMAL[:6], SamplerRule(hold=2)),
    ],
)
def test_by_the_schedule(sampler: str | None, sigmas: tuple[float, ...], rule: SamplerRule) -> None:
    assert rule_for(sampler, "Scheduler" not in (sampler or ""), sigmas) == rule


BY_ORDER: dict[int | None, tuple[str, ...]] = {
    1: ("dpm++_sde", "dpm2_a", "exp_heun_2_x0_sde", "euler_smea_dy"),
    2: (
        *("dpm++_2m_sde_heun", "dpmpp_2m_sde_gpu", "res_multistep", "dpmsolvermultistepscheduler"),
        *("er_sde", "unipcmultistepscheduler", "sasolverscheduler", "dpmsolversinglestepscheduler"),
    ),
    3: ("dpm++_3m_sde", "sa_solver", "uni_pc_bh2", "dpmsolvermultistepscheduler_(3m)"),
    4: ("deismultistepscheduler",),
    None: ("hyperion",),
}


@pytest.mark.parametrize("order", BY_ORDER)
def test_the_order_of_a_sampler(order: int | None) -> None:
    assert {name: order_of(name) for name in BY_ORDER[order]} == dict.fromkeys(
        BY_ORDER[order], order
    )


@pytest.mark.parametrize(
    ("sampler", "moving", "own_factors"),
    [("dpmpp_2m", 5, range(3, 5)), ("euler", 10, range(3, 8)), ("dpmpp_3m_sde", 0, range(0))],
)
def test_steps_by_their_rule(sampler: str, moving: int, own_factors: range) -> None:
    """Which phases and settings ten steps get, and what the report says."""
    phases, report = PhaseCounter(), Report()
    taken = []
    for step in range(10):
        of_step = {"step": step, "fraction": step / 10, "sampler": sampler, "sigmas": NORMAL}
        rule = Rule(Settings(), Moment(**of_step, reported=True))
        rule.note_phase(report)
        taken.append((rule.phase(phases, 2), rule.careful is not None))
    assert all(phase == FIXED for phase, _ in taken[moving:])
    assert len({phase for phase, _ in taken[:moving]}) == min(moving, 4)
    assert [step for step, (_, careful) in enumerate(taken) if not careful] == list(own_factors)
    told = [(list(counts.rested), counts.held) for counts in report.passes.values()]
    assert told == {0: [([], {sampler: 0})], 5: [([sampler], {})], 10: []}[moving]


@pytest.mark.parametrize(
    ("sigmas", "times", "step"),
    [
        (NORMAL, 2, 8),
        (NORMAL, 5, math.inf),
        (KARRAS, 1.65, math.inf),
        (ALIGN_YOUR_STEPS, 1.65, 6),
        (ALIGN_YOUR_STEPS, 2, math.inf),
        # only the second half counts
        ((14.6, 14.5, 10.0, 7.0, 4.9, 3.43, 0.0), 2, math.inf),
        # without a step before; the last one rises, by which an image is turned back into noise
        *[(sigmas, 2, math.inf) for sigmas in ((), (0.0,), (1.0, 0.0), (14.6, 3.0, 0.0))],
        ((0.0, 1.0, 14.6), 2, math.inf),
    ],
)
def test_the_last_step_that_leaps(sigmas: tuple[float, ...], times: float, step: float) -> None:
    assert leap_of(sigmas, times) == step


@given(st.integers(2, 60), st.floats(0.01, 0.9))
def test_equal_steps_never_leap_and_the_last_one_closes(count: int, step: float) -> None:
    sigmas = [*(math.exp(-step * n) for n in range(count)), 0.0]
    assert leap_of(sigmas, 1.1) is math.inf
    assert closing_step(sigmas) == count - 1


@pytest.mark.parametrize(
    ("sigmas", "step"),
    # the last one: a part of a schedule does not close
    [
        (NORMAL, 8),
        (KARRAS, 9),
        ((14.3, 9.5, 3.7, 0.0), 1),
        ((14.6, 0.0), 0),
        (NORMAL[:6], math.inf),
    ],
)
def test_the_step_that_closes(sigmas: tuple[float, ...], step: float) -> None:
    assert closing_step(sigmas) == step


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
        (0.24, True, True),
        (0.25, True, False),
        (None, True, False),
        # by the model's own timesteps alone, a lone call would always be a first one
        (0.0, False, False),
    ],
)
def test_an_evaluation_of_the_lead_in(fraction: float | None, told: bool, first: bool) -> None:
    moment = Moment(sampler="Euler", fraction=fraction, reported=told, step=0)
    assert Rule(Settings(), moment).careful is (Reason.LEAD_IN if first else None)


@pytest.mark.parametrize(("first", "ends"), [(4.9, 5), (5.0, 14), (14.6, 14)])
def test_from_noise_the_lead_in_is_two_thirds(first: float, ends: int) -> None:
    sigmas = (*(first * 0.8**step for step in range(20)), 0.0)
    moment = Moment(sampler="Euler", reported=True, sigmas=sigmas)
    rules = [Rule(Settings(), moment._replace(step=n, fraction=n / 20)) for n in range(20)]
    careful = [step for step, rule in enumerate(rules) if rule.careful is Reason.LEAD_IN]
    assert careful == list(range(ends))


def test_what_the_papers_factors_leave_alone_is_their_doing() -> None:
    first = Moment(fraction=0.0, reported=True, step=0, sampler="Euler")
    late = Moment(fraction=0.9, reported=True, step=9, sampler="Euler")
    fast, grid = Settings.from_preset("fast"), (48, 48)
    assert Rule(fast, first).decide(grid, grid) == (1, Reason.LEAD_IN)
    assert Rule(fast, late).decide(grid, grid) == (2, None)
    lcm = Moment(fraction=0.9, reported=True, step=9, sampler="LCM")
    assert Rule(fast, lcm).decide(grid, grid) == (1, Reason.SAMPLER)
    assert Rule(fast, first).decide((16, 16), (16, 16)) == (1, Reason.BELOW_THRESHOLD)
