"""The methods that can run on a kind of U-Net, and why the others cannot."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers import hidiffusion, hypertile, older_extension, reference
from benchmarks.peers.bounds import floor, ideal
from benchmarks.peers.case import Method
from benchmarks.peers.names import (
    DENSE,
    DIFFUSERS,
    FLOOR,
    HIDIFFUSION,
    HYPERTILE,
    IDEAL,
    OLDER,
    PRESETS,
    REFERENCE,
    TODO,
    TODO_BY,
    TOMES,
)
from benchmarks.peers.todo import preset, todo
from benchmarks.peers.tome import tome


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where other people's code is, by the options of these names; None leaves it out."""

    reference: Path | None = None
    older: Path | None = None
    webui: Path | None = None


def available(kind: str, architecture: str, folders: Folders) -> tuple[dict[str, Method], dict]:
    """Methods for a kind of U-Net, and the reason for each that is left out.

    Args:
        kind: DIFFUSERS or LDM.
        architecture: a name of benchmarks.models.unets.CONFIGS.
    """
    methods: dict[str, Method] = {
        DENSE: lambda case: contextlib.nullcontext(),
        TODO: todo(),
        **{name: preset(of_library) for name, of_library in PRESETS.items()},
        **{name: todo(factor=factor) for name, factor in TODO_BY.items()},
        IDEAL: ideal,
        FLOOR: floor,
    }
    makers: dict[str, Callable[[], Method]] = {
        name: lambda ratio=ratio: tome(ratio) for name, ratio in TOMES.items()
    }
    makers[HYPERTILE] = lambda: hypertile.method(hypertile.load(_named(folders.webui, "--webui")))
    if kind == DIFFUSERS:
        makers[REFERENCE] = lambda: reference.method(
            reference.load(_named(folders.reference, "--reference"))
        )
        makers[HIDIFFUSION] = lambda: hidiffusion.method(hidiffusion.load())
    else:
        makers[OLDER] = lambda: older_extension.method(
            older_extension.load(_named(folders.older, "--older"))
        )
    left_out = {}
    if architecture == "SDXL" and kind == DIFFUSERS:
        del makers[REFERENCE], makers[HYPERTILE]
        left_out[REFERENCE] = "it knows the levels of SD 1.x alone"
        left_out[HYPERTILE] = "it knows SDXL's layers by ldm's names alone"
    for name, make in makers.items():
        try:
            methods[name] = make()
        except (ImportError, OSError, ValueError) as error:
            left_out[name] = str(error)
    return methods, left_out


def _named(folder: Path | None, option: str) -> Path:
    if folder is None:
        raise ValueError(f"no folder named by {option}")
    return folder
