"""Load a text-to-image pipeline: the built-in model, a folder, a hub name or a single file."""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from comparison.recipe import OptionError, Recipe
from lib_todo.plan import Grid, pooled_grid

BUILT_IN = "built-in"
BUILT_IN_FOLDER = Path(__file__).parents[1] / "demo" / "model"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# the prefix of weights that only SDXL's checkpoints have
SDXL_KEY = "conditioner.embedders.1."


def silence_libraries() -> None:
    """No warnings and progress bars of diffusers and transformers; call it before they are used."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    # tomesd and single-file loading use features that newer libraries deprecate
    warnings.filterwarnings("ignore", category=FutureWarning)
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a model is: a diffusers folder, a hub name or a checkpoint file; checked at once.

    `config` is a diffusers folder of the same architecture as a checkpoint file; without it
    diffusers downloads the configuration from the hub.

    Raises OptionError.
    """

    model: str = BUILT_IN
    config: str = ""

    def __post_init__(self) -> None:
        if self.config and not (self.is_file and _is_pipeline(Path(self.config))):
            raise OptionError(
                f"config {self.config!r}: only for a .safetensors file, and a diffusers folder "
                "with a model_index.json"
            )
        if self.is_file:
            _weight_names(self.path)
        elif self.path.exists() and not _is_pipeline(self.path):
            raise OptionError(f"model {str(self.path)!r} has no model_index.json")
        elif not self.path.exists() and not HUB_NAME.fullmatch(self.model):
            raise OptionError(
                f"model {self.model!r}: neither {BUILT_IN!r}, a folder, a .safetensors file "
                "nor a hub name such as owner/name"
            )

    @property
    def path(self) -> Path:
        """Where it is on disk, if it is a file or folder."""
        return BUILT_IN_FOLDER if self.model == BUILT_IN else Path(self.model).expanduser()

    @property
    def is_file(self) -> bool:
        """Whether it is a checkpoint file, not a folder or a hub name."""
        return self.path.suffix == ".safetensors"


def _is_pipeline(folder: Path) -> bool:
    return (folder / "model_index.json").is_file()


def _weight_names(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (OSError, SafetensorError) as error:
        raise OptionError(f"model {str(path)!r} cannot be read: {error}") from error


def choose_device(name: str) -> str:
    """The device of that name; "auto" takes a GPU where there is one. Raises OptionError."""
    if name == "auto":
        return str(torch.accelerator.current_accelerator() or "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"device {name!r} is not available here") from error
    return name


def choose_dtype(name: str, device: str) -> torch.dtype:
    """The dtype of that name; "auto" is float16 on CUDA, else float32."""
    if name == "auto":
        return torch.float16 if device.startswith("cuda") else torch.float32
    return DTYPES[name]


def load(source: Source, device: str, dtype: torch.dtype) -> Any:
    """The pipeline on `device`. Raises OptionError where it cannot be loaded."""
    try:
        pipe = _load_file(source, dtype) if source.is_file else _load_folder(source, dtype)
    except Exception as error:
        # diffusers raises many kinds of errors for a broken file or folder
        raise OptionError(f"model {source.model!r} cannot be loaded: {error}") from error
    if not hasattr(pipe, "unet"):
        raise OptionError(f"model {source.model!r} has no U-Net: {type(pipe).__name__}")
    return pipe.to(device)


def _load_folder(source: Source, dtype: torch.dtype) -> Any:
    from diffusers import AutoPipelineForText2Image

    where = source.path if source.path.exists() else source.model
    return AutoPipelineForText2Image.from_pretrained(str(where), dtype=dtype)


def _load_file(source: Source, dtype: torch.dtype) -> Any:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    is_sdxl = any(name.startswith(SDXL_KEY) for name in _weight_names(source.path))
    cls = StableDiffusionXLPipeline if is_sdxl else StableDiffusionPipeline
    config = source.config or None
    return cls.from_single_file(str(source.path), torch_dtype=dtype, config=config)


def first_attention_level(unet: torch.nn.Module) -> int:
    """How many times the latent is halved before the first self-attention."""
    return next(i for i, kind in enumerate(unet.config.down_block_types) if "CrossAttn" in kind)


def native_grid(unet: torch.nn.Module) -> int:
    """The side, in tokens, of the largest self-attention grid at the size it was trained at."""
    return max(1, unet.config.sample_size >> first_attention_level(unet))


def largest_grid(unet: torch.nn.Module, recipe: Recipe, scale: int) -> Grid:
    """The largest self-attention grid of the final picture, with `scale` pixels per latent."""
    latent = recipe.height // scale, recipe.width // scale
    return pooled_grid(latent, 1 << first_attention_level(unet))
