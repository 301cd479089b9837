"""The noise levels of the sampler that is running, which no WebUI tells its scripts."""

from __future__ import annotations

import weakref

import torch

from ...noise_levels import rest_from
from ..call_stack import callers, local


class SamplerSigmas:
    """What follows from the schedule of the sampler under way; worked out once for each."""

    def __init__(self) -> None:
        self._of: weakref.ref[torch.Tensor] | None = None
        self._rest_from: int | None = None

    def rest_from(self) -> int | None:
        """The step from which the phase rests for a multistep sampler, see noise_levels.py.

        The functions of k-diffusion and its kin have the schedule as an argument of that name. They
        are on the call stack when the denoiser is called. None where there is no such function.
        """
        sigmas = _sigmas()
        if sigmas is None:
            return None
        if self._of is None or self._of() is not sigmas:
            self._of, self._rest_from = weakref.ref(sigmas), rest_from(sigmas.tolist())
        return self._rest_from


def _sigmas() -> torch.Tensor | None:
    for frame in callers():
        code = frame.f_code
        if code.co_name.startswith("sample_") and "sigmas" in code.co_varnames[: code.co_argcount]:
            found = local(frame, "sigmas")
            return found if isinstance(found, torch.Tensor) and found.dim() == 1 else None
    return None
