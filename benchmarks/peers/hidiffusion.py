"""HiDiffusion's window attention (the package hidiffusion), for diffusers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from benchmarks.peers.case import Case, Method
from benchmarks.peers.third_party import stand_ins


def load() -> Any:
    """The package; it imports a module from where older versions of diffusers had it."""
    from diffusers.models.controlnets import multicontrolnet

    with stand_ins(diffusers__pipelines__controlnet__multicontrolnet=multicontrolnet):
        import hidiffusion

    return hidiffusion


def method(package: Any) -> Method:
    """HiDiffusion's windows alone: its smaller U-Net (RAU-Net) is for the first steps only."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        upsamplers = case.model.num_upsamplers
        # without a published model's name the package goes by the module names
        case.model.name_or_path = ""
        try:
            package.apply_hidiffusion(case.model, apply_raunet=False)
            yield
        finally:
            package.remove_hidiffusion(case.model)
            case.model.num_upsamplers = upsamplers

    return apply
