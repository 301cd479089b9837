"""How the phase moves with each sampler: one table, with the figures behind it.

A sampler averages over what changes from one evaluation to the next. An explicit multistep method
extrapolates from its last evaluations by large coefficients of alternating sign: it amplifies what
changes. For such ones the phase is held for some steps or stays, and the automatic factors are the
paper's. DPM adaptive takes what changes for an error of its own and chooses other steps. LCM
averages over nothing and DPM fast over little, so their factors are the paper's too. Error of the
final latents, as a ratio to the paper's ToDo with the same sampler, factor 2, twice the native
size, 16 steps at a denoising strength of 0.6 (docs/lattice.md has all samplers):

    sampler               every step   held for 2   held for 3   held for 4
    LMS (k-diffusion)     8.9          1.15         0.97         1.14
    LMS (diffusers)       9.7          0.70         1.52         0.40
    DEIS                  1.5          1.11         0.22         0.96
    PNDM, PLMS            2.6          0.1 to 0.5   0.55         0.2 to 0.5
    LCM                   0.3 to 0.6    (1.5 by 3 and 2, which balanced takes)
    DPM2 a (diffusers)                  0.42        (1.7 by 3 and 2)
    DPM fast              0.4 to 0.8    (2.0 to 3.4 by 3 and 2; through A1111)
    DPM adaptive          18.5          (35 by 3 and 2; through A1111)
    all others            0.02 to 0.3

One to three seeds each. Holding works or fails by where its boundaries fall among the last steps,
so LMS and DEIS, and IPNDM by kinship, stay fixed: never worse than the paper's.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SamplerRule:
    """What one sampler wants.

    `hold`: for how many steps in a row a phase is kept; 0 keeps the first one for good. Where only
    timesteps tell the steps, each timestep counts, so a sampler that looks at another one in the
    middle of its steps holds for two. `careful`: the automatic factors are no greater than the
    paper's.
    """

    hold: int = 1
    careful: bool = False


_EVERY_STEP = SamplerRule()
_CAREFUL = SamplerRule(careful=True)
_FIXED = SamplerRule(hold=0, careful=True)
_HELD_FOR_TWO = SamplerRule(hold=2, careful=True)

# by the names that hosts have for them
BY_STEP: dict[str, SamplerRule] = {
    "LMS": _FIXED,
    "LMS Karras": _FIXED,
    "lms": _FIXED,
    "PLMS": _HELD_FOR_TWO,
    "ipndm": _FIXED,
    "ipndm_v": _FIXED,
    "LCM": _CAREFUL,
    "lcm": _CAREFUL,
    "DEIS": _FIXED,
    "deis": _FIXED,
    "DPM fast": _CAREFUL,
    "dpm_fast": _CAREFUL,
    "DPM adaptive": _FIXED,
    "dpm_adaptive": _FIXED,
}
# by diffusers' classes, where the timesteps tell the steps
BY_TIMESTEP: dict[str, SamplerRule] = {
    "LMSDiscreteScheduler": _FIXED,
    "PNDMScheduler": _HELD_FOR_TWO,
    "IPNDMScheduler": _FIXED,
    "DEISMultistepScheduler": _FIXED,
    "LCMScheduler": _CAREFUL,
    "KDPM2DiscreteScheduler": SamplerRule(hold=2),
    "KDPM2AncestralDiscreteScheduler": SamplerRule(hold=2, careful=True),
    "DPMSolverSDEScheduler": SamplerRule(hold=2),
}
# nobody tells: two timesteps may be one step, and it may be one of those above
UNKNOWN = SamplerRule(hold=2)


def rule_for(sampler: str | None, told: bool = False) -> SamplerRule:
    """The rule of a sampler.

    Args:
        sampler: by the name of a host or of its diffusers class; None where nobody knows it.
        told: whether the steps are told, as hosts and callbacks do it; else timesteps tell them.
    """
    if sampler is None:
        return UNKNOWN
    rule = BY_STEP.get(sampler) or BY_TIMESTEP.get(sampler, _EVERY_STEP)
    # told steps are whole ones, whatever the model is called with in between
    return _EVERY_STEP if told and not rule.careful else rule
