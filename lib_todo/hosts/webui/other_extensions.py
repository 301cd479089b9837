"""What other extensions of the WebUI put on a self-attention layer that makes it theirs.

All of them are known by what they leave on the layer; none is imported.
"""

from __future__ import annotations

import math
from typing import Any

from ...interception import vetoes
from ...reasons import Reason


def register() -> None:
    """Have every self-attention layer looked at."""
    vetoes.register(older_extension, before_the_rule=True)
    vetoes.register(hypertile)
    vetoes.register(self_attention_guidance)


def older_extension(layer: Any) -> Reason | None:
    """sd-webui-token-downsampling, where it has this call: it replaces any context by a hook.

    Ours would be thrown away, also where the hook puts the layer's own tokens back, and also below
    our threshold. The hook counts the U-Net's calls and stands aside after `disable_after` of them:
    in the hires pass, mostly.
    """
    info = _left_on(layer, "_todo_info")
    if not isinstance(info, dict) or not info.get("hooks"):
        return None
    last = info.get("args", {}).get("disable_after", math.inf)
    return Reason.OLDER_EXTENSION if info.get("current_step", 0) <= last else None


def hypertile(layer: Any) -> Reason | None:
    """HyperTile, while it is switched on: where it tiles tokens, a context would stay whole."""
    params = _left_on(layer, "__webui_hypertile_params")
    return Reason.HYPERTILE if getattr(params, "enabled", False) else None


def self_attention_guidance(layer: Any) -> Reason | None:
    """Self-attention guidance: it makes a mask of the layer's attention map, one key a token."""
    recorded = getattr(_left_on(layer, "forward"), "__name__", "") == "xattn_forward_log"
    return Reason.ATTENTION_MAP_READ if recorded else None


def _left_on(layer: Any, name: str) -> Any:
    """What is set on this very layer; `getattr` on a module is slow where there is nothing."""
    return vars(layer).get(name)
