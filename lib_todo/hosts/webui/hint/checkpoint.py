"""The shape of a checkpoint's U-Net, for the hint: from the loaded model or from its file."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

from safetensors import SafetensorError, safe_open

from ....cost.architectures import UNetShape, shape_of_weights
from .. import host

UNET = "model.diffusion_model."


def loaded() -> Any:
    """The host's model, or None while there is none; asking never loads one."""
    sd_models = sys.modules.get("modules.sd_models")
    return getattr(getattr(sd_models, "model_data", None), "sd_model", None)


def path_named(name: str) -> str | None:
    """The file of the checkpoint that a control names; "" is the one chosen for all generations."""
    name = name or host.options().get("sd_model_checkpoint") or ""
    find = getattr(sys.modules.get("modules.sd_models"), "get_closet_checkpoint_match", None)
    return getattr(find(name), "filename", None) if name and find else None


def loaded_as(name: str) -> Any:
    """The host's model if it is that checkpoint: after a hires pass another one is still loaded."""
    path, model = path_named(name), loaded()
    loaded_path = getattr(getattr(model, "sd_checkpoint_info", None), "filename", None)
    return model if loaded_path and path in (None, loaded_path) else None


def shape_named(name: str) -> UNetShape | None:
    """The shape of that checkpoint, loaded or by its file; None where there is nothing to pool.

    Raises:
        LookupError: it cannot be known before the checkpoint is loaded.
    """
    if (model := loaded_as(name)) is not None:
        return host.shape_of(model)
    if (path := path_named(name)) is None:
        raise LookupError(name)
    return shape_of_file(path)


def shape_of_file(path: str) -> UNetShape | None:
    """The shape by the header of a safetensors file; None where it is of another kind.

    Raises:
        LookupError: it is no safetensors file, cannot be read, or is no whole checkpoint.
    """
    try:
        return _read(path, os.stat(path).st_mtime_ns)
    except (OSError, SafetensorError) as error:
        raise LookupError(f"{path}: {error}") from None


@functools.lru_cache(maxsize=32)
def _read(path: str, _changed: int) -> UNetShape | None:
    with safe_open(path, "pt") as file:
        # no dict: it is not gone through by itself
        names = [name for name in file.keys() if name.startswith(UNET)]  # noqa: SIM118
        sizes = {name[len(UNET) :]: file.get_slice(name).get_shape() for name in names}
    if not sizes:
        raise LookupError(f"{path}: no whole checkpoint")
    return shape_of_weights(sizes)
