"""The programs of Forge's family, and all that the tests have to know of their differences."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host import CHECKPOINT
from launching import find_python

GUIDANCE = frozenset({"selfattentionguidance", "perturbedattentionguidance"})
OTHERS = frozenset({"freeu", "kohya hrfix", "hypertile", "stylealign"})
CACHES = frozenset({"spectrum"})


@dataclass(frozen=True)
class Kind:
    """One program, the environment variables that name it, and what it does in its own way.

    Attributes:
        arguments: what makes it compute on the CPU, in full precision, without a download.
        checkpoints: the arguments that name the tiny checkpoints: their `{folder}`, the first
            one's `{file}`.
        family: the row of the library's table with its classes.
        models: which of the models of `models_alone.py` it has.
        lacks: built-in scripts that others of the family have, by the beginning of their titles.
        needs: what its API wants in every request, or it answers with status 500.
        upscaler: what hires fix enlarges with where a request names A1111's "Latent".
        size_step: it rounds width and height down to a multiple of this.
        changing: kinds of requests whose image differs from one run to the next, without ToDo too.
        compiles: whether its page has torch.compile.
        shows_errors: whether its page shows the text of an exception.
    """

    name: str
    folder_variable: str
    python_variable: str
    arguments: tuple[str, ...] = (
        "--always-cpu",
        "--all-in-fp32",
        "--attention-pytorch",
        "--no-download-sd-model",
    )
    checkpoints: tuple[str, ...] = ("--ckpt-dir", "{folder}", "--ckpt", "{file}")
    family: str = "forge"
    models: tuple[str, ...] = ("unet", "unet 2.x", "flux", "sd3")
    lacks: frozenset[str] = frozenset()
    needs: Mapping[str, Any] = field(default_factory=dict)
    upscaler: str = "Latent"
    size_step: int = 8
    changing: frozenset[str] = frozenset()
    compiles: bool = False
    shows_errors: bool = True

    def why_not(self) -> str | None:
        """Why its tests cannot run here, or None."""
        folder = os.environ.get(self.folder_variable)
        if not folder:
            return f"{self.folder_variable} does not name a {self.name}"
        if not (Path(folder) / "modules_forge").is_dir():
            return f"{self.folder_variable}={folder} is no {self.name}: it has no modules_forge"
        if not (Path(folder) / "models" / "Stable-diffusion" / CHECKPOINT).is_file():
            return f"the {self.name} in {folder} has no tiny checkpoint {CHECKPOINT}"
        return None

    def folder(self) -> Path:
        return Path(os.environ[self.folder_variable]).resolve()

    def python(self) -> Path:
        return find_python(self.folder(), self.python_variable)

    def made(self, *sides: int) -> tuple[int, ...]:
        """The sides in pixels of the image that it makes where these are asked for."""
        return tuple(side // self.size_step * self.size_step for side in sides)


FORGE = Kind(
    "Forge",
    "SD_FORGE_DIR",
    "SD_FORGE_PYTHON",
    lacks=frozenset({"hypertile"}) | CACHES,
    needs={"hr_additional_modules": []},
)
REFORGE = Kind(
    "reForge",
    "SD_REFORGE_DIR",
    "SD_REFORGE_PYTHON",
    family="ldm_patched",
    lacks=frozenset({"perturbedattentionguidance", "stylealign"}) | CACHES,
    shows_errors=False,
)
CLASSIC = Kind(
    "Forge Classic",
    "SD_CLASSIC_DIR",
    "SD_CLASSIC_PYTHON",
    family="ldm_patched",
    models=("unet", "unet 2.x"),
    lacks=GUIDANCE | OTHERS | CACHES,
    needs={"hr_cfg_scale": 7.0},
    shows_errors=False,
)
NEO = Kind(
    "Forge Neo",
    "SD_NEO_DIR",
    "SD_NEO_PYTHON",
    arguments=("--cpu", "--force-fp32", "--use-pytorch-cross-attention"),
    checkpoints=("--ckpt-dirs", "{folder}"),
    models=("unet", "unet 2.x"),
    lacks=GUIDANCE | OTHERS,
    needs={"hr_additional_modules": []},
    upscaler="None",
    size_step=64,
    changing=frozenset({"hires"}),
    compiles=True,
)
KINDS = {"forge": FORGE, "reforge": REFORGE, "classic": CLASSIC, "neo": NEO}
