"""Every cell of a ComfyUI: its own samplers, schedules and U-Net, with the node's own patch."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.matrix.cell import Cell
from benchmarks.matrix.picture import Start, start
from benchmarks.models.checkpoint import GUIDANCE
from lib_todo import Settings
from lib_todo.hosts.comfyui import patch
from lib_todo.samplers import SamplerRule, rule_for

LOADER = Path(__file__).parents[2] / "tests/host/comfyui/demo_nodes/checkpoint.py"
CPU = torch.device("cpu")
# the same function as the one without it, drawing its noise on a GPU
ON_GPU = "_gpu"


class ComfyUI:
    """A ComfyUI's code in this process, without its server.

    Args:
        folder: its checkout; what it requires has to be installed for this Python.
    """

    name = "ComfyUI"

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        import comfy.cli_args

        comfy.cli_args.args.cpu = comfy.cli_args.args.use_pytorch_cross_attention = True
        import comfy.samplers

        self.samplers = comfy.samplers
        self.model = _test_nodes_loader().load()[0]

    def pairs(self) -> list[tuple[str, str]]:
        """(sampler, schedule) of all its cells."""
        names = [name for name in self.samplers.SAMPLER_NAMES if not name.endswith(ON_GPU)]
        return [(name, schedule) for schedule in self.samplers.SCHEDULER_NAMES for name in names]

    def sample(self, cell: Cell, seed: int, settings: Settings | None) -> torch.Tensor:
        """The latents of a cell; dense without settings."""
        return self.sample_with(self.patched(settings), cell, start(seed), seed)

    def patched(self, settings: Settings | None) -> Any:
        """The model with the node's patch; without settings the model itself."""
        if settings is None:
            return self.model
        return patch.apply(self.model, settings, lambda sampling: None)

    def sample_with(self, model: Any, cell: Cell, begin: Start, seed: int) -> torch.Tensor:
        """The latents of a cell by a clone of the model."""
        latents = model.model.process_latent_out(begin.latents)
        torch.manual_seed(seed)
        return self._sampler(cell, model).sample(
            begin.noise.clone(),
            [[begin.positive, {}]],
            [[begin.negative, {}]],
            cfg=GUIDANCE,
            latent_image=latents,
            disable_pbar=True,
            seed=seed,
        )

    def rule(self, cell: Cell) -> tuple[SamplerRule, int]:
        """The rule of a cell's sampling, and how many steps it has."""
        sigmas = tuple(self.sigmas(cell).tolist())
        return rule_for(cell.sampler, reported=True, sigmas=sigmas), len(sigmas) - 1

    def sigmas(self, cell: Cell) -> torch.Tensor:
        """The noise levels of a cell's schedule."""
        return self._sampler(cell, self.model).sigmas

    def _sampler(self, cell: Cell, model: Any) -> Any:
        return self.samplers.KSampler(
            model,
            steps=cell.steps,
            device=CPU,
            sampler=cell.sampler,
            scheduler=cell.schedule,
            denoise=cell.strength,
            model_options=model.model_options,
        )


def _test_nodes_loader() -> Any:
    """The module of the tests' nodes that builds ComfyUI's model of the embedded one."""
    spec = importlib.util.spec_from_file_location("todo_checkpoint", LOADER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
