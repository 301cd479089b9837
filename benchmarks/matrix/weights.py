"""The error of a cell from the weights with which its sampler adds up its evaluations.

For a linear denoiser, a picture is a sum of what was added to each evaluation, each with a weight,
and the host's own sampler tells the weights. With the errors of single evaluations, measured on the
embedded model by level and phase, that foretells a cell's error in milliseconds, where sampling
takes minutes: every sampler by every schedule. It knows nothing of what a changed picture does to
later evaluations; `measure` does.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy
import torch

from benchmarks.matrix.cell import Cell
from benchmarks.matrix.comfyui import ComfyUI
from benchmarks.matrix.picture import PAPER, SIDE, pipeline, settings_of, start
from benchmarks.matrix.treatment import treatment
from benchmarks.models.checkpoint import GUIDANCE
from lib_todo.hosts.comfyui.schedule import step_begun, step_of
from lib_todo.phase import phase_order
from lib_todo.plan import PIXELS_PER_LATENT, layer_factor
from lib_todo.pooling import pool_tokens

TIMESTEPS = (0, 50, 150, 300, 450, 600, 700, 850, 999)
# the spread of the data that the linear denoiser is for: by it, the paper's errors are those that
# were measured with Euler and Heun
SPREAD = 0.6
GRID = SIDE // PIXELS_PER_LATENT
PHASES = 9


class Errors:
    """Errors of single evaluations: by preset a tensor `[levels, phases, latent]`."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(_measure(), path)
        found = torch.load(path, weights_only=True)
        self._logs = found.pop("levels").log().numpy()
        self._errors = {preset: errors.numpy() for preset, errors in found.items()}

    def of(self, preset: str, level: float, phase: int) -> numpy.ndarray:
        """The error of the denoised latents, between the levels that were measured."""
        errors = self._errors[preset][:, phase % PHASES]
        place = min(max(math.log(max(level, 1e-9)), self._logs[0]), self._logs[-1])
        after = min(int(numpy.searchsorted(self._logs, place, "right")), len(self._logs) - 1)
        share = (place - self._logs[after - 1]) / (self._logs[after] - self._logs[after - 1])
        return (1 - share) * errors[after - 1] + share * errors[after]


def _measure() -> dict[str, torch.Tensor]:
    begin, pipe = start(0), pipeline()
    products = pipe.scheduler.alphas_cumprod
    found: dict[str, list[torch.Tensor]] = {"paper": [], "balanced": [], "fast": []}
    levels = []
    for timestep in TIMESTEPS:
        level = ((1 - products[timestep]) / products[timestep]).sqrt()
        noisy = begin.latents + level * begin.noise
        dense = _denoised(noisy, level, timestep)
        for preset, of_levels in found.items():
            of_phases = []
            for phase in range(PHASES):
                with _pooled(preset, phase):
                    of_phases.append(_denoised(noisy, level, timestep) - dense)
            of_levels.append(torch.stack(of_phases).flatten(1))
        levels.append(level)
    stacked = {name: torch.stack(of_levels) for name, of_levels in found.items()}
    return {"levels": torch.stack(levels), **stacked}


def _denoised(noisy: torch.Tensor, level: torch.Tensor, timestep: int) -> torch.Tensor:
    """With guidance, by the model's prediction of the velocity."""
    begin, unet = start(0), pipeline().unet
    both = torch.cat([noisy, noisy])
    scale = (1 + level**2).sqrt()
    prompts = torch.cat([begin.negative, begin.positive])
    velocity = unet(both / scale, torch.tensor(timestep), prompts).sample
    without, with_prompt = (both / scale**2 - velocity * level / scale).chunk(2)
    return without + GUIDANCE * (with_prompt - without)


@contextlib.contextmanager
def _pooled(preset: str, phase: int) -> Iterator[None]:
    """Pool keys and values in the U-Net by a preset's factors, all layers at that phase."""
    settings, largest, grid = settings_of(preset), (GRID, GRID), [(0, 0)]

    def enter(module: Any, args: tuple) -> None:
        grid[0] = tuple(args[0].shape[-2:])

    def pool(module: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        factor = layer_factor(grid[0], largest, settings)
        order = phase_order(factor)
        pooled = pool_tokens(args[0], grid[0], factor, settings.method, order[phase % len(order)])
        return args, {**kwargs, "encoder_hidden_states": pooled}

    handles = []
    for module in pipeline().unet.modules():
        for block in getattr(module, "transformer_blocks", ()):
            handles.append(block.attn1.register_forward_pre_hook(pool, with_kwargs=True))
        if hasattr(module, "transformer_blocks"):
            handles.append(module.register_forward_pre_hook(enter))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class LinearModel:
    """Stands for ComfyUI's guider: a linear denoiser that adds 1 to a batch's nth evaluation.

    Attributes:
        seen: (step, level) of the evaluations.
    """

    cfg = 1.0

    def __init__(self, model: Any, sigmas: torch.Tensor) -> None:
        self.model_patcher, self.inner_model = model, model.model
        self.seen: list[tuple[int, float]] = []
        self._sigmas = sigmas.tolist()

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, model_options: Any = None, seed: int = 0
    ) -> torch.Tensor:
        level, begun = float(sigma.max()), step_begun()
        denoised = x * SPREAD**2 / (SPREAD**2 + level**2)
        if len(self.seen) < len(x):
            denoised = denoised.clone()
            denoised[len(self.seen)] += 1
        step = step_of(level if begun is None else begun, self._sigmas)
        self.seen.append((step, level))
        for function in (model_options or {}).get("sampler_post_cfg_function", ()):
            denoised = function(
                {"denoised": denoised, "uncond_denoised": denoised, "cond_denoised": denoised}
            )
        return denoised


def weights(host: ComfyUI, cell: Cell) -> tuple[list[float], list[tuple[int, float]]]:
    """The evaluations' weights, and their (step, level)."""
    count = len(_sample(host, cell, 1)[1])
    sampled, seen = _sample(host, cell, count + 1)
    return (sampled[:-1] - sampled[-1]).flatten().tolist(), seen


def _sample(host: ComfyUI, cell: Cell, batch: int) -> tuple[torch.Tensor, list[tuple[int, float]]]:
    sigmas, none = host.sigmas(cell), torch.zeros(batch, 1, 1, 1)
    linear = LinearModel(host.model, sigmas)
    sampler = host.samplers.sampler_object(cell.sampler)
    arguments = {"model_options": {}, "seed": 0}
    with _without_noise(host.samplers.k_diffusion_sampling):
        found = sampler.sample(linear, sigmas, arguments, None, none, none.clone(), None, True)
    return found, linear.seen


def foretold(host: ComfyUI, cell: Cell, preset: str, errors: Errors) -> float:
    """The preset's squared error over the paper's."""
    found, seen = weights(host, cell)
    steps = treatment(preset, *host.rule(cell))

    def of_preset(step: int, level: float) -> numpy.ndarray:
        factors_of, phase = steps[step]
        return errors.of(factors_of, level, phase)

    def squared(error_of: Any) -> float:
        terms = [weight * error_of(*place) for weight, place in zip(found, seen, strict=True)]
        return float(numpy.square(sum(terms)).mean())

    return squared(of_preset) / squared(lambda step, level: errors.of(PAPER, level, 0))


@contextlib.contextmanager
def _without_noise(sampling: Any) -> Iterator[None]:
    """Let ComfyUI's samplers add none: it would have to be the same in the whole batch."""

    def silent(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return lambda *levels: torch.zeros_like(x)

    with (
        mock.patch.object(sampling, "default_noise_sampler", silent),
        mock.patch.object(sampling, "BrownianTreeNoiseSampler", silent),
        mock.patch.object(torch, "randn_like", torch.zeros_like),
    ):
        yield
