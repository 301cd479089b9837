"""What other extensions put on a self-attention layer that makes it theirs, not ours to pool.

All of them are known by what they leave on the layer; none is imported.
"""

from __future__ import annotations

import math
from typing import Any

from lib_todo.report import HYPERTILE, RECORDED


def in_the_way(layer: Any) -> str | None:
    """Why the layer's keys must not be fewer now, in the report's words; None: they may be."""
    if _hypertile_is_on(layer):
        return HYPERTILE
    if _guidance_reads(layer):
        return RECORDED
    return None


def older_pools(layer: Any) -> bool:
    """Whether sd-webui-token-downsampling has this call: it replaces any context by a hook.

    Ours would be thrown away, also where the hook puts the layer's own tokens back. The hook counts
    the U-Net's calls and stands aside after `disable_after` of them: in the hires pass, mostly.
    """
    info = _left_on(layer, "_todo_info")
    if not isinstance(info, dict) or not info.get("hooks"):
        return False
    last = info.get("args", {}).get("disable_after", math.inf)
    return bool(info.get("current_step", 0) <= last)


def _left_on(layer: Any, name: str) -> Any:
    """What is set on this very layer; `getattr` on a module is slow where there is nothing."""
    return vars(layer).get(name)


def _hypertile_is_on(layer: Any) -> bool:
    """HyperTile, while it is switched on: where it tiles tokens, a context would stay whole."""
    params = _left_on(layer, "__webui_hypertile_params")
    return bool(getattr(params, "enabled", False))


def _guidance_reads(layer: Any) -> bool:
    """Self-attention guidance: it makes a mask of the layer's attention map, one key a token."""
    return getattr(_left_on(layer, "forward"), "__name__", "") == "xattn_forward_log"
