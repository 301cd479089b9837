"""Signs on a self-attention layer that another WebUI extension is using it.

Extensions are recognised by what they leave on the layer itself; none is imported.
"""

from __future__ import annotations

import math
from typing import Any

from ...interception import signs
from ...reasons import Reason


def register() -> None:
    """Have every self-attention layer checked."""
    signs.register("_todo_info", older_extension)
    signs.register("__webui_hypertile_params", hypertile)
    signs.register("forward", self_attention_guidance)
    signs.register("pag_enable", perturbed_attention_guidance)


def older_extension(layer: Any) -> Reason | None:
    """sd-webui-token-downsampling's hook would discard our context, even where it does not pool.

    It stops after `disable_after` calls of the U-Net, usually before the hires pass.
    """
    info = layer._todo_info
    if not isinstance(info, dict) or not info.get("hooks"):
        return None
    last = info.get("args", {}).get("disable_after", math.inf)
    return Reason.OLDER_EXTENSION if info.get("current_step", 0) <= last else None


def hypertile(layer: Any) -> Reason | None:
    """HyperTile, while it is on, tiles the tokens, but would not tile a context of ours."""
    params = vars(layer).get("__webui_hypertile_params")
    return Reason.HYPERTILE if getattr(params, "enabled", False) else None


def self_attention_guidance(layer: Any) -> Reason | None:
    """It needs the layer's whole attention map, with a key per token."""
    recorded = getattr(layer.forward, "__name__", "") == "xattn_forward_log"
    return Reason.ATTENTION_MAP_READ if recorded else None


def perturbed_attention_guidance(layer: Any) -> Reason | None:
    """In the call that incantations adds, values replace the output: it needs one per token."""
    return Reason.PERTURBED_ATTENTION if layer.pag_enable is True else None
