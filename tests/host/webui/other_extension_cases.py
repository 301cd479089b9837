"""How each of the other extensions is switched on, on the tiny SD 1.5 checkpoint."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import host_with_others
import pytest
from expect import picture
from host import Host
from host_with_others import script, together

IMAGE = base64.b64encode(picture(256, 256)).decode()


@dataclass(frozen=True)
class Case:
    """A neighbour switched on, by a request and by the settings page.

    `off` has the values of those settings that it starts with. `extension` is None for what is
    built in.
    """

    extension: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    off: Mapping[str, Any] = field(default_factory=dict)

    def txt2img(self, host: Host, *more: Mapping[str, Any]) -> dict[str, Any]:
        """Generate with the neighbour and what else is asked for."""
        with host.options_set(self.off, **self.options):
            return host.txt2img(**together({"steps": 2}, self.body, *more))

    @property
    def is_present(self) -> bool:
        return self.extension is None or host_with_others.checkout(self.extension) is not None


def regional(mode: str) -> Case:
    """Two columns with a prompt each, by attention masks or by a latent each."""
    columns = (True, False, "Matrix", "Columns", "Mask", "Prompt", "1,1", "0.2")
    rest = (False, False, False, mode, [], "0", "0", "0.4", None, "0", "0", False)
    body = {"prompt": "a cat BREAK a dog"} | script("Regional Prompter", *columns, *rest)
    return Case(host_with_others.REGIONAL_PROMPTER, body)


def tiled(method: str) -> Case:
    """Tiles of 16×16 latents, every 8."""
    size = (False, False, 256, 256)
    return Case(
        host_with_others.TILED_DIFFUSION,
        script("Tiled Diffusion", True, method, *size, 16, 16, 8, 4),
    )


def unit(**settings: Any) -> dict[str, Any]:
    """A ControlNet unit."""
    return script("ControlNet", {"enabled": True, "image": IMAGE, "weight": 1.0, **settings})


def adetailer(**settings: Any) -> dict[str, Any]:
    """An image of 128 pixels, its middle painted anew at 256."""
    tab = {
        "ad_model": "mediapipe_face_full",
        "ad_use_inpaint_width_height": True,
        "ad_inpaint_width": 256,
        "ad_inpaint_height": 256,
        **settings,
    }
    return {"width": 128, "height": 128, **script("ADetailer", True, False, tab)}


def sampler(name: str) -> Case:
    """A sampler that the SMEA extension adds, with steps enough for all that it does."""
    return Case(host_with_others.SMEA, {"sampler_name": name, "steps": 5})


def deepcache() -> Case:
    """The inner levels are reused in all steps but each third."""
    off = {
        "deepcache_enable_pass": "disable",
        "deepcache_cache_resnet_level": 0,
        "deepcache_cache_enable_step_percentage": 0.4,
        "deepcache_full_run_step_rate": 5,
    }
    on = dict(zip(off, ("both passes", 3, 0.0, 3)))
    return Case(host_with_others.DEEPCACHE, {"steps": 4}, on, off)


def incantations(seg: bool = False, pag: bool = False) -> Case:
    """Smoothed-energy or perturbed-attention guidance, in all steps."""
    energy = (seg, 11.0, 0, 150)
    semantic = (False, 1.0, 0.8, 3.0, 0.0, 0, 150, 4)
    perturbed = (pag, 3.0, 0, 150, False, "Constant", 0, 100, False)
    return Case(
        host_with_others.INCANTATIONS, script("Incantations", *energy, *semantic, *perturbed)
    )


def animatediff() -> Case:
    """Four frames, of which two at a time are given to the U-Net."""
    frames = {"video_length": 4, "batch_size": 2, "stride": 1, "overlap": 1, "format": ["PNG"]}
    motion = {"enable": True, "model": "tiny_motion.safetensors", **frames}
    body = {"width": 128, "height": 128, **script("AnimateDiff", motion)}
    return Case(host_with_others.ANIMATEDIFF, body)


OLDER_OFF = {
    "token_downsampling_factor": 1.0,
    "token_downsampling_factor2": 1.0,
    "token_downsampling_disable_after": 1.0,
}
FREEU_STAGES = [
    {"backbone_factor": 1.4, "skip_factor": 0.9},
    {"backbone_factor": 1.2, "skip_factor": 0.5},
]
THRESHOLDING = (True, 7.0, 99.0, "Constant", 0.0, "Constant", 0.0, 4.0, True, "MEAN", "AD", 1.0)

# merges 40 % of the tokens of the largest layers
AGENTS = (True, False, 20, 4, 4, 0.4, 0.95, 2, 2, 0.4, 0.5, False, 1, False)

# Those in whose images every self-attention call of the U-Net is an ordinary one.
ORDINARY = {
    "DeepCache": deepcache(),
    "Tiled Diffusion, MultiDiffusion": tiled("MultiDiffusion"),
    "Tiled Diffusion, Mixture of Diffusers": tiled("Mixture of Diffusers"),
    "Regional Prompter, attention": regional("Attention"),
    "Regional Prompter, latent": regional("Latent"),
    "FreeU": Case(
        host_with_others.FREEU, script("FreeU", {"enable": True, "stage_infos": FREEU_STAGES})
    ),
    "self-attention guidance": Case(
        host_with_others.GUIDANCE, script("Self Attention Guidance", True, 0.75, 1.0)
    ),
    "dynamic thresholding": Case(
        host_with_others.THRESHOLDING, script("Dynamic Thresholding (CFG Scale Fix)", *THRESHOLDING)
    ),
    "Euler Dy": sampler("Euler Dy"),
    "Euler SMEA Dy": sampler("Euler SMEA Dy"),
    "Euler Negative Dy": sampler("Euler Negative Dy"),
    "Kohaku_LoNyu_Yog": sampler("Kohaku_LoNyu_Yog"),
    "perturbed-attention guidance": incantations(pag=True),
    "smoothed-energy guidance": incantations(seg=True),
    "NegPiP": Case(
        host_with_others.NEGPIP, {"prompt": "a cat, (dog:-1.2)", **script("NegPiP", True)}
    ),
    "Dynamic Prompts": Case(
        host_with_others.DYNAMIC_PROMPTS,
        {"prompt": "a {dog|cat}", **script("Dynamic Prompts v2.17.1", True, True)},
    ),
    "AnimateDiff": animatediff(),
    "LoRA": Case(body={"prompt": "a cat <lora:tiny_lora:1>"}),
    "hypernetwork": Case(body={"prompt": "a cat <hypernet:tiny_hypernetwork:1>"}),
}
OTHERS = {
    "ADetailer": Case(host_with_others.ADETAILER, adetailer()),
    "ControlNet, a model": Case(
        host_with_others.CONTROLNET, unit(module="none", model="tiny_controlnet")
    ),
    "ControlNet, reference-only": Case(host_with_others.CONTROLNET, unit(module="reference_only")),
    "agent attention": Case(host_with_others.AGENT_ATTENTION, script("Agent Attention", *AGENTS)),
    "the older ToDo": Case(
        host_with_others.OLDER, {}, {"token_downsampling_factor": 2.0}, OLDER_OFF
    ),
}
CASES = ORDINARY | OTHERS


def parameters(cases: Mapping[str, Case]) -> list[Any]:
    """The names of cases, to parametrize with; those without their extension are skipped."""
    return [
        pytest.param(name, marks=[host_with_others.needs(case.extension)] if case.extension else [])
        for name, case in cases.items()
    ]
