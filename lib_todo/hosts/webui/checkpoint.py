"""The shape of a checkpoint's U-Net, for the hint: from the loaded model or from its file."""

from __future__ import annotations

import sys
from typing import Any

from ...cost.architectures import UNetShape
from ...cost.loaded_unet import shape_of_unet
from .checkpoint_file import shape_of_file
from .prediction import unet_of


def loaded() -> Any:
    """The host's model, or None while there is none; asking never loads one."""
    sd_models = sys.modules.get("modules.sd_models")
    return getattr(getattr(sd_models, "model_data", None), "sd_model", None)


def shape_named(name: str) -> UNetShape | None:
    """The shape of the checkpoint that a control names; "" is the one chosen for all generations.

    If that checkpoint is loaded it comes from the model, else from the file's header: after a hires
    pass or a refiner another checkpoint is still loaded. None where there is nothing to pool.

    Raises:
        LookupError: it cannot be known before the checkpoint is loaded.
    """
    sd_models, shared = (sys.modules.get(f"modules.{part}") for part in ("sd_models", "shared"))
    if not name:
        name = getattr(getattr(shared, "opts", None), "data", {}).get("sd_model_checkpoint") or ""
    find = getattr(sd_models, "get_closet_checkpoint_match", lambda name: None)
    path = getattr(find(name) if name else None, "filename", None)
    model = loaded()
    loaded_path = getattr(getattr(model, "sd_checkpoint_info", None), "filename", None)
    if loaded_path and path in (None, loaded_path):
        return shape_of(model)
    if path is None:
        raise LookupError(name)
    return shape_of_file(path)


def shape_of(model: Any) -> UNetShape | None:
    """The shape of the model's U-Net; None where it is of another kind (SD3, Flux) or unknown."""
    return shape_of_unet(unet_of(model))
