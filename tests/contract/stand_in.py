"""A stand-in for the host's `modules`, with only what the extension uses."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ldm_models
import torch

# by hand, so that the automatic rule does not matter
BY_TWO = {"factor": 2, "deep_factor": 1}
# what the API sends to pool the stand-in's layer
ON = [{"threshold": 8, **BY_TWO}]
# of two levels, of which only the shape is read
UNET = ldm_models.unet(channel_mult=(1, 1), attention_resolutions=[1, 2], num_res_blocks=2)


@contextmanager
def host_modules(folder: Path) -> Iterator[types.SimpleNamespace]:
    """Put the stand-in, with its settings in `folder`, into sys.modules; yields its parts."""
    names = ("modules", "modules.shared", "modules.devices")
    modules = {name: types.ModuleType(name) for name in names}
    before = {name: sys.modules.get(name) for name in names}
    shared = modules["modules.shared"]
    modules["modules.devices"].device = torch.device("cpu")
    shared.opts, shared.config_filename = types.SimpleNamespace(data={}), folder / "config.json"
    for name in names[1:]:
        setattr(modules["modules"], name.removeprefix("modules."), modules[name])
    sys.modules.update(modules)
    try:
        yield types.SimpleNamespace(shared=shared)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def modules_for_the_host() -> list[str]:
    """Ours that know the host's modules; import them anew where those are others."""
    return [name for name in sys.modules if name.startswith("lib_todo.hosts.webui")]


class Model(types.SimpleNamespace):
    """The host's model, to which there may be weak references."""


class Denoiser:
    """The host's CFGDenoiser: counts its own calls, knows the pass's total."""

    def __init__(self, p: Any, steps: int, calls_per_step: int = 1) -> None:
        self.p, self.step, self.steps, self.init_latent = p, 0, steps, None
        self.total_steps = steps * calls_per_step

    def params(self, sigma: float, width: int, height: int) -> types.SimpleNamespace:
        """Those of `on_cfg_denoiser`, for a latent of that size in pixels."""
        text = torch.empty(1, 77, 8)
        return types.SimpleNamespace(
            denoiser=self,
            sigma=torch.tensor([float(sigma)]),
            x=torch.empty(1, 4, height // 8, width // 8),
            text_cond=text,
            text_uncond=text,
        )


class Processing:
    """The host's StableDiffusionProcessing: what a script sees of a generation."""

    def __init__(self, model: Any, lifecycle: Any, **given: Any) -> None:
        self.width = self.height = 128
        self.sampler_name = "Euler"
        self.steps, self.calls_per_step, self.n_iter = 4, 1, 1
        # the noise level of each of the denoiser's calls; by default each has another one
        self.levels: Sequence[float] = ()
        self.enable_hr = self.is_hr_pass = self.is_api = False
        self.hr_upscale_to_x = self.hr_upscale_to_y = 0
        self.cfg_scale, self.batch_size = 7, 1
        self.extra_generation_params: dict[str, Any] = {}
        self.comments: dict[str, int] = {}
        self.inits = self.samples = 0
        self.sd_model = Model(model=types.SimpleNamespace(diffusion_model=UNET))
        self.model, self.lifecycle = model, lifecycle
        self.__dict__.update(given)

    def comment(self, text: str) -> None:
        self.comments[text] = 1

    def init(self, *args: Any) -> None:
        self.inits += 1

    def sample(self) -> torch.Tensor:
        self.samples += 1
        out = self._one_pass(self.width, self.height)
        if self.enable_hr:
            self.is_hr_pass = True
            out = self._one_pass(self.hr_upscale_to_x, self.hr_upscale_to_y)
            self.is_hr_pass = False
        return out

    def _one_pass(self, width: int, height: int) -> torch.Tensor:
        denoiser = Denoiser(self, self.steps, self.calls_per_step)
        out = torch.empty(0)
        for sigma in self.levels or range(denoiser.total_steps, 0, -1):
            self.lifecycle.on_denoiser_call(denoiser.params(sigma, width, height))
            out = self.model(height // 8, width // 8)
            denoiser.step += 1
        return out


class Processed:
    def __init__(self, p: Processing) -> None:
        self.comments = "".join(f"{line}\n" for line in p.comments)
        self.extra_generation_params = p.extra_generation_params


def process_images_inner(p: Processing, *args: Any, inside: Any = None) -> Processed:
    """The host's order of callbacks.

    `inside` stands for what other extensions do in `postprocess_image`.
    """
    p.lifecycle.begin(p, args)
    p.init()
    for _ in range(p.n_iter):
        p.lifecycle.before_sampling(p)
        p.sample()
        if inside is not None:
            inside(p)
    processed = Processed(p)
    p.lifecycle.finish(p, processed)
    return processed


def report_of(processed: Processed) -> dict[str, Any]:
    """What the API's info tells programs of the only generation."""
    (data,) = processed.extra_generation_params["ToDo report JSON"]["generations"]
    return data


def calls(data: dict[str, Any]) -> dict[tuple[int, int, str | None], int]:
    """Calls of self-attention by keys before, keys after and reason, of a report or a pass."""
    return {
        (grid["keys_before"], grid["keys_after"], grid["reason"]): grid["calls"]
        for grid in data["grids"]
    }
