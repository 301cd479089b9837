"""The table of samplers: how long each holds a phase, and which factors it gets."""

from __future__ import annotations

import pytest

from lib_todo.samplers import rule_for


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
        # one sampler by the names of two hosts
        ("IPNDM_V", True, 0, True),
        ("ipndm_v", True, 0, True),
        ("DPM adaptive", True, 0, True),
        ("dpm_adaptive", True, 0, True),
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
