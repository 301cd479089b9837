"""PyTorch's attention backends on this machine, and whether one fits in memory.

Sources: torch.nn.attention.SDPBackend; what the WebUI's `--opt-sdp-attention` and diffusers run.
"""

from __future__ import annotations

import contextlib

import psutil
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

# PyTorch chooses among the others
AUTOMATIC = "automatic"
# the one that writes out the whole attention matrix
MATH = "math"
_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    MATH: SDPBackend.MATH,
}
NAMES = (AUTOMATIC, *_BACKENDS)


def using(name: str) -> contextlib.AbstractContextManager[None]:
    """Allow that backend alone inside the `with`.

    Args:
        name: of NAMES.
    """
    return contextlib.nullcontext() if name == AUTOMATIC else sdpa_kernel(_BACKENDS[name])


def usable(device: torch.device, dtype: torch.dtype) -> list[str]:
    """The names of the backends that run on this machine, without AUTOMATIC."""
    tokens = torch.zeros(1, 1, 8, 64, device=device, dtype=dtype)
    found = []
    for name in _BACKENDS:
        with contextlib.suppress(RuntimeError), using(name):
            torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            found.append(name)
    return found


def for_whole_models(device: torch.device, dtype: torch.dtype) -> list[str]:
    """AUTOMATIC, MATH, and the fused ones if several run: a single one is AUTOMATIC's choice."""
    found = usable(device, dtype)
    several = len(set(found) - {MATH}) > 1
    return [AUTOMATIC, *(name for name in found if name == MATH or several)]


def implementation(kind: str, attention: str) -> str:
    """The U-Net's kind and its attention backend, as in the results' keys; AUTOMATIC is not named.

    Args:
        kind: "diffusers" or "ldm".
        attention: of NAMES.
    """
    return kind if attention == AUTOMATIC else f"{kind}, {attention}"


def fits(name: str, numbers: int, device: torch.device) -> bool:
    """Whether the attention matrix, where it is written out, leaves half of the memory free.

    Args:
        numbers: in the matrix: batch times heads times queries times keys.
    """
    if name != MATH:
        return True
    free = psutil.virtual_memory().available
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    copies, itemsize = 3, 4
    return copies * itemsize * numbers < free / 2


TOO_LARGE = "its attention matrix needs more memory than is free"
