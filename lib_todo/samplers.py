"""How the phase moves, and which factors are used, with each sampler and schedule.

A sampler's picture is a weighted sum of its evaluations. A moving phase averages the error out
where many weights are alike, and amplifies it where they alternate in sign, as in multistep
methods: the more, the higher the order is, and the larger the last step beside the one before.
Where one evaluation weighs most, nothing averages over it, and a larger factor than the paper's
shows. So the rule goes by the sampler's order and its schedule's end (docs/lattice.md). Names stand
for what no such property tells.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class SamplerRule:
    """How the phase moves and which factors are used in one sampling.

    Attributes:
        hold: for how many steps in a row a phase is kept. Where steps are known by timesteps alone,
            each of them counts as a step, so a sampler that evaluates at two in a step holds for 2.
        careful_from: the step from which the automatic factors are no greater than the paper's.
        rest_from: the step from which the phase is the paper's too, which is no earlier; 0: the
            sampling is the paper's own.
        lead_in: the share of its steps at its start in which the automatic factors are no greater
            than the paper's, since they decide what the picture shows.
    """

    hold: int = 1
    careful_from: float = math.inf
    rest_from: float = math.inf
    lead_in: float = 0.25


_PAPERS = SamplerRule(careful_from=0, rest_from=0)
_CAREFUL = SamplerRule(careful_from=0)
_CAREFUL_BY_TWO = SamplerRule(hold=2, careful_from=0)

# By the hosts' names and diffusers' classes, as `rule_for` spells them. DPM adaptive mistakes the
# change for its own integration error and chooses other steps. Restart adds noise again and repeats
# steps. DPM fast goes by levels of its own. LCM does not average at all. PNDM and PLMS extrapolate,
# but their steps are counted by evaluations or timesteps: held for two, they erred 0.1 to 0.6 times
# as much as the paper's in nine evaluations; in five they are foretold to err more.
BY_NAME: dict[str, SamplerRule] = {
    **dict.fromkeys(("plms", "pndm", "pndmscheduler"), _CAREFUL_BY_TWO),
    **dict.fromkeys(("dpm_fast", "dpm_adaptive", "restart"), _PAPERS),
    **dict.fromkeys(("lcm", "lcmscheduler", "kdpm2_a"), _CAREFUL),
    "kdpm2ancestraldiscretescheduler": _CAREFUL_BY_TWO,
    **dict.fromkeys(("kdpm2discretescheduler", "dpmsolversdescheduler"), SamplerRule(hold=2)),
}
# parts of the names of samplers by their order: how many evaluations a step is computed from, each
# of another step; the first that fits. In diffusers UniPC and SA-Solver are of the second order, as
# are single-step solvers: both timesteps of their steps count.
ORDERS: dict[int, list[str]] = {
    4: "ipndm deis".split(),
    3: "3m uni_pc sa_solver resmultistep".split(),
    2: "2m multistep singlestep unipc sasolver er_sde gradient_estimation".split(),
    1: "euler heun dpm_2 dpm2 2s 1s dpmpp_sde dpm++_sde dpmsolversde seeds ddpm ddim tcd".split(),
}
HIGHEST = max(ORDERS)
# parts and the end of the names of samplers that add noise in each step: so later steps, too,
# decide what the picture shows, and with few of them larger factors are seen
ADD_NOISE = ("ancestral", "sde", "seeds", "ddpm", "sa_solver", "sasolver")
ADD_NOISE_END = "_a"
# parts of the names of samplers that go on from the guided picture with the unguided noise: the
# difference between the two enters each step undamped, and larger factors are seen
CFG_PP = ("cfg_pp", "cfg++")
# that many steps for each order are too few to average over
FEW = 3
FEW_WITH_NOISE = 12
# from this level on (a denoising strength of about 0.8), two thirds of the steps make up the
# picture, and more of few: in eight, Euler with `balanced` erred 1.8 times as much as the paper's,
# and with no more than three before the closing ones (beta in twenty) SA-Solver, and Euler 6 times
FROM_NOISE, LEAD_IN_FROM_NOISE, OWN = 5.0, 2 / 3, 4
# with fewer steps than that before so many that each take most of the noise away, too few average:
# with A1111's Beta in eight steps, Euler with `fast` erred 3 times as much as with the paper's
BEFORE_CLOSING, CLOSING = 6, 3
# how many times the one before it a step is that leaps; for a method of the second order, for which
# some steps before it rest as well, and for one of a higher order
LEAP, BEFORE_LEAP = 2.0, 3
LEAP_OF_HIGHER = 1.65
# a step that leaves less than this of the noise makes the picture nearly alone
LEFT = 0.4
# from this level on a single step to 0 decides what the picture shows, and two thirds of the steps
# from noise were too few (A1111's Beta: DPM2 a with `fast` erred 1.4 to 9.8 times the paper's)
HIGH = 1.0
# below it no noise is seen: some schedules end there instead of at 0
NOTHING = 0.01


@functools.lru_cache(maxsize=256)
def rule_for(
    sampler: str | None, reported: bool = False, sigmas: tuple[float, ...] = ()
) -> SamplerRule:
    """The rule of a sampling.

    Args:
        sampler: the host's name for it, or its diffusers class.
        reported: whether a host reports the steps; else they are known by timesteps.
        sigmas: the noise levels of its schedule, one more than it has steps; empty where they are
            not known.
    """
    # as in ComfyUI: a page's "DPM fast" and "SA-Solver" are "dpm_fast" and "sa_solver" there
    name = (sampler or "").lower().replace(" ", "_").replace("-", "_")
    named = BY_NAME.get(name, SamplerRule())
    if named.careful_from == 0:
        few = named.hold > 1 and 0 < len(sigmas) - 1 <= FEW * named.hold
        return _PAPERS if few else named
    if "lms" in name:
        # its last step extrapolates to 0, and what changed from one evaluation to the next with it
        return _PAPERS
    order = order_of(name)
    # each timestep of a step counts, and reported steps are whole ones
    hold = 1 if reported else named.hold
    if not sigmas:
        if order is None:
            # two timesteps may be one step
            return SamplerRule(hold=1 if reported else 2, careful_from=0)
        # the known ones amplify what changes whatever the schedule is, but for Karras' and its like
        return _PAPERS if order == HIGHEST else SamplerRule(hold)
    noisy = name.endswith(ADD_NOISE_END) or any(part in name for part in ADD_NOISE)
    careful_from, rest_from = _by_schedule(order or HIGHEST, sigmas, noisy)
    if any(part in name for part in CFG_PP):
        careful_from = 0
    is_longer = sigmas[0] >= FROM_NOISE and careful_from > 0
    lead_in = LEAD_IN_FROM_NOISE if is_longer else named.lead_in
    return SamplerRule(hold, careful_from * hold, rest_from * hold, lead_in)


def _by_schedule(order: int, sigmas: Sequence[float], noisy: bool) -> tuple[float, float]:
    """`careful_from` and `rest_from` in steps of the schedule."""
    papers, careful = (0, 0), (0, math.inf)
    steps = len(sigmas) - 1
    if steps < 1 or sigmas[-1] >= sigmas[0]:
        # it makes noise of a picture
        return careful
    few = steps <= (FEW_WITH_NOISE if noisy and order > 2 else FEW * order)
    leaps_much = order > 1 and leap_of(sigmas, LEAP_OF_HIGHER) < math.inf
    ends_high = sigmas[-1] < NOTHING and sigmas[-2] >= HIGH
    short, from_noise = steps <= FEW_WITH_NOISE, sigmas[0] >= FROM_NOISE
    if ends_high or (leaps_much and (few or order > 2 or (short and from_noise))):
        return papers
    if few:
        return careful if order == 2 and not noisy else papers
    leap = leap_of(sigmas, LEAP) if order == 2 else math.inf
    rest_from, closing = max(0, leap - BEFORE_LEAP), closing_step(sigmas)
    closes_soon = closing < BEFORE_CLOSING and steps - closing >= CLOSING
    careful_from = min(max(0, closing + 1 - order), rest_from)
    begin = LEAD_IN_FROM_NOISE * steps
    begins_late = careful_from - begin < OWN or sigmas[math.ceil(begin)] >= HIGH
    if closes_soon or (short and noisy) or (from_noise and (short or begins_late)):
        return 0, rest_from
    return careful_from, rest_from


def even_levels(steps: int, first: float = 1.0) -> tuple[float, ...]:
    """Levels for which the rule has the least reason to be careful: no step leaps, one closes."""
    return (*(first / 2**step for step in range(steps)), 0.0)


def closing_step(sigmas: Sequence[float]) -> float:
    """The first step that takes most of the noise away; infinite without (part of a schedule)."""
    pairs = enumerate(itertools.pairwise(sigmas))
    return next((step for step, (level, after) in pairs if after <= LEFT * level), math.inf)


def leap_of(sigmas: Sequence[float], times: float) -> float:
    """The last step of the second half that is so many times as large as the one before.

    Infinite without. Steps are measured by the logarithm of the level. Karras' schedule has ratios
    of 1.0 to 1.2, simple, SGM uniform and ComfyUI's beta up to 1.6, Align Your Steps 1.9, normal,
    uniform and DDIM's 3.5 and more. DPM++ 2M goes from a step's level to the next by 1 + 1 / 2r
    times its last evaluation, less 1 / 2r times the one before, where r is the last step down over
    the next one, both logarithmic (arXiv 2211.01095, algorithm 2): what changed from one evaluation
    to the next is multiplied by that.
    """
    levels = [level for level in sigmas if level > 0]
    steps = [math.log(high / low) for high, low in itertools.pairwise(levels)]
    for step in range(len(steps) - 1, max(1, len(steps) // 2) - 1, -1):
        if 0 < steps[step - 1] * times < steps[step]:
            return step
    return math.inf


def order_of(name: str) -> int | None:
    """The order of a sampler by its name in lower case; None: nobody has heard of it."""
    fits = (order for order, parts in ORDERS.items() if any(part in name for part in parts))
    return next(fits, None)
