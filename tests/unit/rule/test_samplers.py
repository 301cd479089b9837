"""What is known of each sampler: for how many steps it has a phase held, and what it asks for."""

from __future__ import annotations

import dataclasses

import pytest

from lib_todo import Settings
from lib_todo.samplers import BY_STEP, BY_TIMESTEP, UNKNOWN, rule_for, settings_for


@pytest.mark.parametrize(
    ("sampler", "told", "hold", "careful"),
    [
        ("Euler a", True, 1, False),
        ("DDIMScheduler", False, 1, False),
        ("LMS", True, 0, True),
        ("LMSDiscreteScheduler", False, 0, True),
        ("PLMS", True, 2, True),
        ("PNDMScheduler", True, 2, True),
        ("DEIS", True, 0, True),
        ("DEISMultistepScheduler", False, 0, True),
        # each timestep counts, unless whole steps are told
        ("KDPM2DiscreteScheduler", False, 2, False),
        ("KDPM2DiscreteScheduler", True, 1, False),
        (None, False, 2, False),
    ],
)
def test_a_samplers_rule(sampler: str | None, told: bool, hold: int, careful: bool) -> None:
    rule = rule_for(sampler, told)
    assert (rule.hold, rule.careful) == (hold, careful)


def test_a_careful_rule_gives_factors_no_greater_than_the_papers() -> None:
    careful = [rule for rule in [*BY_STEP.values(), *BY_TIMESTEP.values()] if rule.careful]
    asked = Settings(factor=3, deep_factor=2)
    for rule in careful:
        assert settings_for(rule, Settings()) == dataclasses.replace(
            Settings(), scale=1.0, deep_scale=0.0
        )
        assert settings_for(rule, asked).factor == 3
        assert settings_for(rule, asked).deep_factor == 2
        assert settings_for(rule, Settings(scale=0.5, deep_scale=0)).scale == 0.5
    assert settings_for(UNKNOWN, Settings()) == Settings()
