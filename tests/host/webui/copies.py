"""Further copies of the extension's folder, as users have them."""

from __future__ import annotations

import shutil
from pathlib import Path

from host import REPOSITORY

PARTS = ("lib_todo", "scripts", "javascript", "install.py", "metadata.ini")


def copy_of_extension(folder: Path) -> Path:
    """Put what a WebUI uses of this repository into a folder; returns it."""
    for name in PARTS:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder
