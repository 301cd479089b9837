"""How the phase moves with each sampler: one table, with the figures behind it.

Most samplers average over what changes from one evaluation to the next. An explicit multistep
method instead extrapolates from its last evaluations, with large coefficients of alternating sign,
and so amplifies changes. For such samplers the phase is held for some steps or stays fixed, and the
automatic factors are the paper's. DPM adaptive mistakes the change for its own integration error
and chooses other steps. Restart adds noise again and repeats steps. LCM does not average at all and
DPM fast hardly, so they get the paper's factors too.

Error of the final latents as a ratio to the paper's ToDo with the same sampler; factor 2, twice the
native size, 16 steps, denoising strength 0.6 (docs/lattice.md has all samplers):

    sampler               every step   held for 2   held for 3   held for 4
    LMS (k-diffusion)     8.9          1.15         0.97         1.14
    LMS (diffusers)       9.7          0.70         1.52         0.40
    DEIS                  1.5          1.11         0.22         0.96
    PNDM, PLMS            2.6          0.1 to 0.5   0.55         0.2 to 0.5
    LCM                   0.3 to 0.6    (1.5 by 3 and 2, which balanced takes)
    DPM2 a (diffusers)                  0.42        (1.7 by 3 and 2)
    DPM fast              0.4 to 0.8    (2.0 to 3.4 by 3 and 2; through A1111)
    DPM adaptive          18.5          (35 by 3 and 2; through A1111)
    Restart               1.1           (1.4 by 3 and 2; through A1111)
    all others            0.02 to 0.45

One to three seeds each. How well holding works depends on where its boundaries fall among the last
steps, so LMS, DEIS and the related IPNDM stay fixed: that is never worse than the paper's.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SamplerRule:
    """How the phase moves and which factors are used with one sampler.

    `hold`: for how many steps in a row a phase is kept; 0 keeps the first one for good. Where steps
    are known by timesteps alone, each timestep counts as a step, so a sampler that evaluates at a
    second timestep within each step holds for two. `careful`: the automatic factors are no greater
    than the paper's.
    """

    hold: int = 1
    careful: bool = False


_EVERY_STEP = SamplerRule()
_CAREFUL = SamplerRule(careful=True)
_FIXED = SamplerRule(hold=0, careful=True)
_HELD_FOR_TWO = SamplerRule(hold=2, careful=True)

# by the hosts' names for them, which differ in capitals and blanks: see `_spelled`
BY_STEP: dict[str, SamplerRule] = {
    "lms": _FIXED,
    "lms_karras": _FIXED,
    "lmsd": _FIXED,
    "plms": _HELD_FOR_TWO,
    "pndm": _HELD_FOR_TWO,
    "ipndm": _FIXED,
    "ipndm_v": _FIXED,
    "deis": _FIXED,
    "lcm": _CAREFUL,
    "dpm_fast": _CAREFUL,
    "dpm_adaptive": _FIXED,
    "restart": _FIXED,
    "kdpm2_a": _CAREFUL,
}
# by diffusers' classes, whose steps are known by timesteps
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
# parts of the names of multistep methods: they extrapolate from their last evaluations, and where
# the noise level leaps amplify what changed between them (noise_levels.py)
MULTISTEP = ("2m", "3m", "multistep", "er_sde", "sa_solver", "sa-solver", "gradient_estimation")
# unknown sampler: two timesteps may be one step, and it may be one of those above
UNKNOWN = SamplerRule(hold=2)


def rule_for(sampler: str | None, reported: bool = False) -> SamplerRule:
    """The rule of a sampler.

    Args:
        sampler: the host's name for it, or its diffusers class; None where it is not known.
        reported: whether a host or a callback reports the steps; else they are known by timesteps.
    """
    if sampler is None:
        return UNKNOWN
    rule = BY_STEP.get(_spelled(sampler)) or BY_TIMESTEP.get(sampler, _EVERY_STEP)
    # reported steps are whole steps, however many timesteps they evaluate
    return _EVERY_STEP if reported and not rule.careful else rule


def is_multistep(sampler: str | None) -> bool:
    """Whether a host's sampler extrapolates from its last evaluations."""
    return sampler is not None and any(part in _spelled(sampler) for part in MULTISTEP)


def _spelled(sampler: str) -> str:
    """The name "DPM fast", as on A1111's page, is "dpm_fast" on ComfyUI's."""
    return sampler.lower().replace(" ", "_")
