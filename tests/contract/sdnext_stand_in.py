"""A stand-in for SD.Next's processing: its order of callbacks around a diffusers U-Net."""

from __future__ import annotations

import types
from typing import Any

import diffusers_models as models
import torch
from diffusers import DDIMScheduler
from stand_in import Model

STEPS = 4
# pixels: latents of 16×16 and of 32×32
SMALL, LARGE = (128, 128), (256, 256)


class Processing:
    """SD.Next's processing object, as far as a script sees it."""

    def __init__(self, unet: Any, **given: Any) -> None:
        self.width, self.height = SMALL
        self.hr_upscale_to_x, self.hr_upscale_to_y = LARGE
        self.hr_resize_mode, self.hr_upscaler = 1, "Latent Nearest"
        self.enable_hr = self.is_hr_pass = self.is_refiner_pass = False
        self.scripts = types.SimpleNamespace(name="txt2img")
        self.n_iter, self.sampler_name = 1, "DDIM"
        self.ops: list[str] = []
        self.comments: dict[str, int] = {}
        self.extra_generation_params: dict[str, Any] = {}
        self.sd_model = Model(unet=unet)
        self.keys: list[tuple[str, int, int]] = []
        self.__dict__.update(given)

    def comment(self, text: str) -> None:
        self.comments[text] = 1

    def init(self) -> None:
        pass


class Host:
    """Runs generations. `fail` is called before each U-Net call with the number of calls so far."""

    def __init__(self, script: Any, callbacks: Any) -> None:
        self.script, self.callbacks = script, callbacks
        self.fail: Any = lambda calls: None
        self.interrupted = False
        self.calls = 0

    def process_images(self, p: Any, *args: Any) -> Any:
        """One request: what SD.Next calls in any case comes in its `finally`."""
        self.interrupted, self.calls = False, 0
        try:
            return process_images_inner(self, p, *args)
        finally:
            self.script.leave(p)

    def sample(self, p: Any) -> None:
        self._one_pass(p, SMALL)
        if p.enable_hr:
            p.is_hr_pass = True
            p.ops.append("hires")
            self._one_pass(p, LARGE)
            p.is_hr_pass = False

    def _one_pass(self, p: Any, size: tuple[int, int]) -> None:
        self.callbacks.p = p
        scheduler = DDIMScheduler()
        scheduler.set_timesteps(STEPS)
        latent = torch.zeros(1, 4, size[1] // 8, size[0] // 8)
        for timestep in scheduler.timesteps:
            self.fail(self.calls)
            if self.interrupted:
                return
            self.calls += 1
            p.sd_model.unet(latent, timestep, torch.zeros(1, 5, models.TEXT_WIDTH))


def process_images_inner(host: Host, p: Any, *args: Any) -> Any:
    """Its order of callbacks."""
    host.script.begin(p, args)
    p.init()
    for _ in range(p.n_iter):
        host.script.before_sampling(p)
        host.sample(p)
        if host.interrupted:
            break
        host.script.after_sampling(p)
    processed = types.SimpleNamespace(
        comments="", extra_generation_params=p.extra_generation_params
    )
    if not host.interrupted:
        host.script.finish(p, processed)
    return processed
