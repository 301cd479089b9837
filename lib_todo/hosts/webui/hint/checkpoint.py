"""The shape of a checkpoint's U-Net, for the hint: from the loaded model or from its file."""

from __future__ import annotations

import functools
import json
import os
import struct
import sys
from typing import Any

from ....cost.architectures import UNetShape, shape_of_unet, shape_of_weights
from ..host import unet_of

UNET = "model.diffusion_model."
# bytes; what claims to be a longer header is no safetensors file
LONGEST_HEADER = 64 * 2**20


def loaded() -> Any:
    """The host's model, or None while there is none; asking never loads one."""
    sd_models = sys.modules.get("modules.sd_models")
    return getattr(getattr(sd_models, "model_data", None), "sd_model", None)


def path_named(name: str) -> str | None:
    """The file of the checkpoint that a control names; "" is the one chosen for all generations."""
    sd_models, shared = (sys.modules.get(f"modules.{part}") for part in ("sd_models", "shared"))
    if not name:
        name = getattr(getattr(shared, "opts", None), "data", {}).get("sd_model_checkpoint") or ""
    find = getattr(sd_models, "get_closet_checkpoint_match", lambda name: None)
    return getattr(find(name) if name else None, "filename", None)


def shape_named(name: str) -> UNetShape | None:
    """The shape of that checkpoint.

    If it is loaded it comes from the model, else from the file's header: after a hires pass or a
    refiner another checkpoint is still loaded. None where there is nothing to pool.

    Raises:
        LookupError: it cannot be known before the checkpoint is loaded.
    """
    path, model = path_named(name), loaded()
    loaded_path = getattr(getattr(model, "sd_checkpoint_info", None), "filename", None)
    if loaded_path and path in (None, loaded_path):
        return shape_of(model)
    if path is None:
        raise LookupError(name)
    return shape_of_file(path)


def shape_of(model: Any) -> UNetShape | None:
    """The shape of the model's U-Net; None where it is of another kind (SD3, Flux) or unknown."""
    return shape_of_unet(unet_of(model))


def shape_of_file(path: str) -> UNetShape | None:
    """The shape by the header of a safetensors file; None where it is of another kind.

    Raises:
        LookupError: it is no safetensors file, cannot be read, or is no whole checkpoint.
    """
    try:
        return _read(path, os.stat(path).st_mtime_ns)
    except (OSError, ValueError, LookupError, TypeError, struct.error) as error:
        raise LookupError(f"{path}: {error}") from None


@functools.lru_cache(maxsize=32)
def _read(path: str, _changed: int) -> UNetShape | None:
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > LONGEST_HEADER:
            raise ValueError("no safetensors")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("no safetensors")
    entries = {name: entry for name, entry in header.items() if name.startswith(UNET)}
    if not entries:
        raise ValueError("no whole checkpoint")
    return shape_of_weights({name[len(UNET) :]: at["shape"] for name, at in entries.items()})
