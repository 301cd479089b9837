"""Samplers by the WebUI's names, as diffusers has them."""

from __future__ import annotations

from typing import Any

# the class, and what its configuration changes
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDIM": ("DDIMScheduler", {}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "DPM2": ("KDPM2DiscreteScheduler", {}),
    "DPM2 a": ("KDPM2AncestralDiscreteScheduler", {}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M Karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "DPM++ 3M": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 3M SDE": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
    ),
    "DPM++ SDE": ("DPMSolverSDEScheduler", {"use_karras_sigmas": True}),
    "DPM++ 2S": ("DPMSolverSinglestepScheduler", {}),
    "DPM++ 3S": ("DPMSolverSinglestepScheduler", {"solver_order": 3}),
    "UniPC": ("UniPCMultistepScheduler", {}),
    "UniPC 3": ("UniPCMultistepScheduler", {"solver_order": 3}),
    "DDPM": ("DDPMScheduler", {}),
    "SA-Solver": ("SASolverScheduler", {}),
    "TCD": ("TCDScheduler", {}),
    "LCM": ("LCMScheduler", {}),
    "PNDM": ("PNDMScheduler", {"skip_prk_steps": True}),
    "DEIS": ("DEISMultistepScheduler", {}),
    "DEIS 3": ("DEISMultistepScheduler", {"solver_order": 3}),
    "LMS": ("LMSDiscreteScheduler", {}),
}


def make_scheduler(name: str | None, own: Any) -> Any:
    """The scheduler of that name for the model that `own` belongs to; without a name, `own`."""
    import diffusers

    if name is None:
        return own
    cls, changes = SCHEDULERS[name]
    return getattr(diffusers, cls).from_config(own.config, **changes)
