"""The methods that can run on a kind of U-Net, and why the others cannot."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.peers import others
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
from benchmarks.peers.ours import floor, ideal, preset, todo


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
    makers = {name: partial(others.tome, ratio) for name, ratio in TOMES.items()}
    makers[HYPERTILE] = _from(folders, "webui", others.hypertile)
    if kind == DIFFUSERS:
        makers[REFERENCE] = _from(folders, "reference", others.reference)
        makers[HIDIFFUSION] = others.hidiffusion_windows
    else:
        makers[OLDER] = _from(folders, "older", others.older_extension)
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


def _from(folders: Folders, option: str, make: Callable[[Path], Method]) -> Callable[[], Method]:
    def load() -> Method:
        folder = getattr(folders, option)
        if folder is None:
            raise ValueError(f"no folder named by --{option}")
        return make(folder)

    return load
