"""The machine's rates in ComfyUI, for the speed-up to expect."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch

from ...cost.machine import Machine
from ...cost.rates import Rates, typical


def candidates() -> Sequence[Rates]:
    """The rates of a GPU, measured when first asked for; two that a CPU's lie between."""
    management: Any = sys.modules.get("comfy.model_management")
    attention: Any = sys.modules.get("comfy.ldm.modules.attention")
    if management is None or attention is None:
        return typical("cpu")
    device, function = management.get_torch_device(), attention.optimized_attention
    machine = Machine(
        device,
        torch.float16 if management.should_use_fp16(device) else torch.float32,
        attend=lambda tokens, heads: function(tokens, tokens, tokens, heads),
        attention=function.__name__,
    )
    machine.measure_once()
    return machine.candidates()
