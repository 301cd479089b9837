"""The steps of a sampler that calls the denoiser more often than the host expects."""

from __future__ import annotations

from typing import Any

from ...samplers import rule_for


class SamplerSteps:
    """Counts a pass's steps, where the host counts the denoiser's calls.

    The SMEA samplers and others that extensions add look at one noise level two or three times.
    The host takes each such call for a step, so its count would end a window too early.
    """

    def __init__(self) -> None:
        self._repeated = 0
        self._level: float | None = None

    def done(self, denoiser: Any, sigma: Any, sampler: str | None) -> int:
        """How many evaluations are behind, of the denoiser's `total_steps`.

        Args:
            denoiser: the host's, which is about to be called.
            sigma: the noise levels that it is called with, one for each latent.
            sampler: the sampler's name; one with a rule of its own (PLMS) is counted as it is.
        """
        rule = rule_for(sampler, reported=True)
        of_its_own = rule.hold != 1 or rule.rests(None)
        if denoiser.total_steps != denoiser.steps or of_its_own:
            return int(denoiser.step)
        level = float(sigma.max())
        if denoiser.step == 0:
            self._repeated = 0
        elif level == self._level:
            self._repeated += 1
        self._level = level
        return int(denoiser.step) - self._repeated
