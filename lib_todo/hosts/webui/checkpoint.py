"""The loaded checkpoint's U-Net: its levels and widths, as far as costs need them."""

from __future__ import annotations

import sys
from typing import Any

from ...cost.architectures import UNetShape
from ...cost.of_unet import shape_of_unet
from .prediction import unet_of


def loaded() -> Any:
    """The host's model, or None while there is none; asking never loads one."""
    sd_models = sys.modules.get("modules.sd_models")
    return getattr(getattr(sd_models, "model_data", None), "sd_model", None)


def shape_of(model: Any) -> UNetShape | None:
    """The shape of the model's U-Net; None where it is of another kind (SD3, Flux) or unknown."""
    return shape_of_unet(unet_of(model))
