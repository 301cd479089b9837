"""HyperTile as it is built into AUTOMATIC1111's WebUI."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.case import Case, Method
from benchmarks.peers.third_party import load_file


def load(webui: Path) -> types.ModuleType:
    """The module, from the WebUI's folder."""
    path = webui / "extensions-builtin" / "hypertile" / "hypertile.py"
    return load_file("webui_hypertile", path)


def method(module: Any) -> Method:
    """HyperTile with the WebUI's default tile of 256 pixels, and always that one."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        try:
            module.hypertile_hook_model(
                case.model,
                case.width,
                case.height,
                enable=True,
                tile_size_max=256,
                swap_size=1,
                max_depth=3,
                is_sdxl=case.architecture == "SDXL",
            )
            yield
        finally:
            # the WebUI's code has no way to take its hook back
            for layer in case.model.modules():
                if layer.__dict__.pop("__webui_hypertile_params", None) is not None:
                    del layer.forward
            case.model.__dict__.pop("__webui_hypertile_layers", None)

    return apply
