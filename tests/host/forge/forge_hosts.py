"""Forge and reForge as hosts: where they are, how they start, what their API needs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import CHECKPOINT, PROBE, TEST_EXTENSIONS, Host
from launching import find_python

TINY_SHAPES = TEST_EXTENSIONS / "tiny_shapes"

ARGUMENTS = (
    "--skip-prepare-environment --skip-torch-cuda-test --skip-version-check "
    "--skip-python-version-check --always-cpu --all-in-fp32 --attention-pytorch --api "
    "--server-name 127.0.0.1 --no-download-sd-model --disable-console-progressbars"
).split()

OF_ITS_USER = frozenset(
    ".git models extensions outputs log tmp config.json ui-config.json params.txt".split()
)
# of this repository: what is not in a clone of it
NOT_INSTALLED = (".*", "__pycache__", "artifacts")


class ForgeHost(Host):
    """A running Forge or reForge, with the tiny checkpoints made known to it."""

    host_arguments = ARGUMENTS
    test_extensions = (PROBE, TINY_SHAPES)

    def txt2img(self, **body: Any) -> dict[str, Any]:
        return super().txt2img(**with_modules(body))

    @staticmethod
    def body(**changes: Any) -> dict[str, Any]:
        return Host.body(**with_modules(changes))


class InstalledHost(ForgeHost):
    """A copy of the program, with the extension's files where a person has them.

    Gradio 4 serves no file outside of the data folder: with one elsewhere, Forge's page lacks its
    own scripts and is never built, with or without extensions. Here it is the program's folder.
    """

    def __init__(self, webui: Path, python: Path, data: Path, **keywords: Any) -> None:
        super().__init__(webui, python, data / "webui", **keywords)
        self.original = webui
        self.webui = self.data

    def _lay_out_data(self) -> None:
        shutil.copytree(self.original, self.webui, ignore=self._left_out)
        models, extensions = self.webui / "models", self.webui / "extensions"
        models.mkdir()
        for name in ("Stable-diffusion", "VAE-approx"):
            (models / name).symlink_to(self.original / "models" / name)
        for name, path in self._named_extensions():
            shutil.copytree(path, extensions / name, ignore=shutil.ignore_patterns(*NOT_INSTALLED))

    def _left_out(self, folder: str, names: list[str]) -> set[str]:
        """What belongs to whoever uses the program that is copied."""
        is_root = Path(folder) == self.original
        return set(names) & (OF_ITS_USER if is_root else {".git"})


def with_modules(body: dict[str, Any]) -> dict[str, Any]:
    """What Forge's API needs for hires fix and for an infotext; reForge passes it over."""
    return {"hr_additional_modules": []} | body


def fresh(host: ForgeHost) -> ForgeHost:
    """Its probe reset and an SD 1.5-shaped checkpoint chosen."""
    host.use("tiny15_a")
    host.probe_reset()
    return host


def grids_seen(host: ForgeHost) -> dict[int, set[tuple[int, int]]]:
    """Queries and keys of each square grid, by its side."""
    seen: dict[int, set[tuple[int, int]]] = {}
    for row in host.probe_counts()["rows"]:
        seen.setdefault(row["height"], set()).add((row["queries"], row["keys"]))
    return seen


@dataclass(frozen=True)
class Kind:
    """One of the two programs, and the environment variables that name it."""

    name: str
    folder_variable: str
    python_variable: str

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

    def start(self, data: Path, **keywords: Any) -> ForgeHost:
        """A host of this kind, not started yet, with its page: the X/Y/Z axes need it."""
        return ForgeHost(self.folder(), self.python(), data, with_ui=True, **keywords)

    def install(self, data: Path) -> ForgeHost:
        """The same in a copy of its own, whose page works with gradio 4 too."""
        return InstalledHost(self.folder(), self.python(), data, with_ui=True)

    def folder(self) -> Path:
        return Path(os.environ[self.folder_variable]).resolve()

    def python(self) -> Path:
        return find_python(self.folder(), self.python_variable)


FORGE = Kind("Forge", "SD_FORGE_DIR", "SD_FORGE_PYTHON")
REFORGE = Kind("reForge", "SD_REFORGE_DIR", "SD_REFORGE_PYTHON")
