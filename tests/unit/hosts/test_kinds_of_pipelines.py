"""diffusers' kinds of pipelines inside the with: steps, layers and phases, and nothing left."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers
import diffusers_models as models
from diffusers.pipelines.deprecated.stable_diffusion_panorama import (
    pipeline_stable_diffusion_panorama as panorama,
)
from PIL import Image

from lib_todo import Settings, token_downsampling
from lib_todo.pooling import pooling
from lib_todo.reasons import Reason
from lib_todo.runs import model_call

BY_TWO = Settings(factor=2, deep_factor=2, threshold=4)
STEPS = 8
# width × height in pixels: a latent of 16 × 12 tokens
SIZE = {"width": 96, "height": 128}


@dataclasses.dataclass(frozen=True)
class Kind:
    """One pipeline, and what a call of it takes.

    `steps`: how many a call has. `options` are the call's.
    """

    pipe: Any
    options: dict[str, Any]
    steps: int = STEPS

    def __call__(self, **more: Any) -> Any:
        """What a call gives, always the same without ToDo."""
        generator = torch.Generator().manual_seed(3)
        options = {"prompt": "a fox", "num_inference_steps": STEPS, "output_type": "latent"}
        return self.pipe(**{**options, "generator": generator, **self.options, **more})[0]

    def layers(self) -> int:
        """How many layers attend over the places of one image."""
        models = [self.pipe.unet, getattr(self.pipe, "controlnet", None)]
        names = [name for model in models if model for name, _ in model.named_modules()]
        over_frames = ("motion_modules", "temporal_transformer_blocks")
        return sum(
            name.endswith(".attn1") and not any(part in name for part in over_frames)
            for name in names
        )


def picture() -> Image.Image:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (SIZE["height"], SIZE["width"], 3), generator=generator)
    return Image.fromarray(pixels.to(torch.uint8).numpy())


def _with(cls: Any, base: Any, without: tuple[str, ...] = (), **parts: Any) -> Any:
    """A pipeline of `cls` from the parts of `base`, with others in their place."""
    without = ("image_encoder", *without)
    kept = {name: part for name, part in base.components.items() if name not in without}
    if "safety_checker" in kept:
        parts["requires_safety_checker"] = False
    pipe = cls(**{**kept, **parts})
    pipe.set_progress_bar_config(disable=True)
    return pipe


def image_to_image(base: Any) -> Kind:
    pipe = _with(diffusers.StableDiffusionImg2ImgPipeline, base)
    return Kind(pipe, {"image": picture(), "strength": 0.5, "num_inference_steps": 2 * STEPS})


def inpaint(base: Any) -> Kind:
    pipe = _with(diffusers.StableDiffusionInpaintPipeline, base, unet=models.unet(in_channels=9))
    mask = Image.new("L", (96, 128), 255)
    return Kind(pipe, {"image": picture(), "mask_image": mask, "strength": 1.0, **SIZE})


def control_net(base: Any) -> Kind:
    net = models.randomised(diffusers.ControlNetModel.from_unet(base.unet))
    pipe = _with(diffusers.StableDiffusionControlNetPipeline, base, controlnet=net)
    return Kind(pipe, {"image": picture(), **SIZE})


def perturbed(base: Any) -> Kind:
    return Kind(_with(diffusers.StableDiffusionPAGPipeline, base), SIZE)


def latent_consistency(base: Any) -> Kind:
    parts = {"unet": models.unet(time_cond_proj_dim=32), "scheduler": diffusers.LCMScheduler()}
    return Kind(_with(diffusers.LatentConsistencyModelPipeline, base, **parts), SIZE)


def wide_panorama(base: Any) -> Kind:
    """Two views of 12 × 64 tokens side by side."""
    pipe = _with(panorama.StableDiffusionPanoramaPipeline, base)
    return Kind(pipe, {"height": 96, "width": 576})


def upscale(base: Any) -> Kind:
    unet = models.unet(in_channels=7, num_class_embeds=1000)
    parts = {"unet": unet, "low_res_scheduler": diffusers.DDPMScheduler()}
    without = ("safety_checker", "feature_extractor")
    pipe = _with(diffusers.StableDiffusionUpscalePipeline, base, without, **parts)
    small = picture().resize((12, 16))
    return Kind(pipe, {"image": small})


def free_init(base: Any) -> Kind:
    """AnimateDiff with FreeInit, in two rounds that take half and all of the steps."""
    parts = {"motion_adapter": models.motion_adapter(), "feature_extractor": None}
    pipe = _with(diffusers.AnimateDiffPipeline, base, ("safety_checker",), **parts)
    pipe.enable_free_init(num_iters=2, use_fast_sampling=True)
    return Kind(pipe, {"num_frames": 2, **SIZE}, steps=STEPS // 2 + STEPS)


KINDS: list[Callable[[Any], Kind]] = [
    *(image_to_image, inpaint, control_net, perturbed, latent_consistency),
    *(wide_panorama, upscale, free_init),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return models.sd_pipeline(tmp_path_factory.mktemp("sd"))


@pytest.fixture
def phases(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The phase of each pooled transformer's call."""
    seen: list[Any] = []

    def pool(grid: Any, factor: float, method: str, phase: Any, device: Any) -> Any:
        seen.append(phase)
        return pooling(grid, factor, method, phase, device)

    monkeypatch.setattr(model_call, "pooling", pool)
    return seen


def assert_moves_with_the_steps(phases: list[Any], kind: Kind) -> None:
    """All layers of a step have one phase, which is not that of the step before."""
    calls, rest = divmod(len(phases), kind.steps)
    by_step = [set(phases[start : start + calls]) for start in range(0, len(phases), calls)]
    assert rest == 0
    assert [len(step) for step in by_step] == [1] * kind.steps
    assert all(one != other for one, other in itertools.pairwise(by_step))


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_by_kind(make: Callable[[Any], Kind], base: Any, phases: list[Any]) -> None:
    kind = make(base)
    dense, pooled = kind(), []
    with token_downsampling(BY_TWO) as report:
        for calls in (1, 2):
            phases.clear()
            pooled.append(kind())
            assert report.steps == (calls * kind.steps,) * 2
            assert_moves_with_the_steps(phases, kind)
    assert "in all " in report.line()
    assert set(report.left_alone) == ({Reason.OTHER_PROCESSOR} if make is perturbed else set())
    assert (report.layers, list(report.passes)) == (kind.layers(), ["first"])
    assert torch.equal(kind(), dense)
    # the same seed twice is the same picture
    assert torch.equal(*pooled)
