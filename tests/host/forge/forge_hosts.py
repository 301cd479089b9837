"""The programs of Forge's family as hosts: how they start, what their API needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from forge_kinds import Kind
from host import CHECKPOINT, PROBE, TEST_EXTENSIONS, Host

TINY_SHAPES = TEST_EXTENSIONS / "tiny_shapes"

ARGUMENTS = (
    "--skip-prepare-environment --skip-torch-cuda-test --skip-version-check "
    "--skip-python-version-check --api --server-name 127.0.0.1 --disable-console-progressbars"
).split()

OF_ITS_USER = frozenset(
    ".git venv models extensions outputs log tmp config.json ui-config.json params.txt".split()
)
# of this repository: what is not in a clone of it
NOT_INSTALLED = (".*", "__pycache__", "artifacts")


class ForgeHost(Host):
    """One of them, running with its page (the X/Y/Z axes need it) and the tiny checkpoints."""

    test_extensions = (PROBE, TINY_SHAPES)

    def __init__(self, kind: Kind, data: Path, **keywords: Any) -> None:
        super().__init__(kind.folder(), kind.python(), data, with_ui=True, **keywords)
        self.kind = kind
        self.host_arguments = (*ARGUMENTS, *kind.arguments)

    def _checkpoint_arguments(self, folder: Path) -> list[str]:
        file = folder / CHECKPOINT
        return [part.format(folder=folder, file=file) for part in self.kind.checkpoints]

    def txt2img(self, **body: Any) -> dict[str, Any]:
        return super().txt2img(**self._its_own(body))

    def body(self, **changes: Any) -> dict[str, Any]:
        return Host.body(**self._its_own(changes))

    def _its_own(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request as this program takes it."""
        lacks = body.get("hr_upscaler") == "Latent"
        return {**self.kind.needs, **body, **({"hr_upscaler": self.kind.upscaler} if lacks else {})}

    def body_from_text(self, text: str, **changes: Any) -> dict[str, Any]:
        """A request from an infotext; Forge fails at lists that it has to take from the text."""
        return {**self.kind.needs, "infotext": text, "styles": [], **changes}


class InstalledHost(ForgeHost):
    """A copy of the program, with the extension's files where a person has them.

    Gradio 4 serves no file outside of the data folder: with one elsewhere, Forge's page lacks its
    own scripts and is never built, with or without extensions. Here it is the program's folder.
    """

    def __init__(self, kind: Kind, data: Path) -> None:
        super().__init__(kind, data / "webui")
        self.original, self.webui = self.webui, self.data

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
