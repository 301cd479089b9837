"""For how many steps each sampler wants a phase held: one table, with the figures behind it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SamplerRule:
    """How the phase moves with one sampler.

    `hold`: for how many of its steps in a row a phase is kept; 0 keeps it fixed. `evaluations`:
    how many timesteps the model sees in one of its steps, where only timesteps tell.
    """

    hold: int = 1
    evaluations: int = 1


_EVERY_STEP = SamplerRule()
RULES: dict[str, SamplerRule] = {}
# held for two: safe with every sampler that was tried
UNKNOWN = SamplerRule(hold=2)


def rule_for(sampler: str | None) -> SamplerRule:
    """The rule of a sampler, by the name that its host or its diffusers class has."""
    return UNKNOWN if sampler is None else RULES.get(sampler, _EVERY_STEP)
