"""The shape of a checkpoint's U-Net from the header of its safetensors file, without loading it."""

from __future__ import annotations

import functools
import json
import os
import re
import struct
from collections.abc import Mapping
from typing import Any

from ...cost.architectures import UNetShape

UNET = "model.diffusion_model."
# bytes; what claims to be a longer header is no safetensors file
LONGEST_HEADER = 64 * 2**20
_TRANSFORMER = re.compile(r"(input_blocks\.\d+|middle_block)\.1\.transformer_blocks\.(\d+)\.")


def shape_of_file(path: str) -> UNetShape | None:
    """The shape of the checkpoint's U-Net; None where it is of another kind (SD3, Flux).

    Raises:
        LookupError: it is no safetensors file, cannot be read, or is no whole checkpoint.
    """
    try:
        found = _read(path, os.stat(path).st_mtime_ns)
    except (OSError, ValueError, LookupError, TypeError, struct.error) as error:
        raise LookupError(f"{path}: {error}") from None
    return found


@functools.lru_cache(maxsize=32)
def _read(path: str, _changed: int) -> UNetShape | None:
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > LONGEST_HEADER:
            raise ValueError("no safetensors")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("no safetensors")
    sizes = {
        name.removeprefix(UNET): entry["shape"]
        for name, entry in header.items()
        if name.startswith(UNET)
    }
    if not sizes:
        raise ValueError("no whole checkpoint")
    return shape_of_sizes(sizes)


def shape_of_sizes(sizes: Mapping[str, list[int]]) -> UNetShape | None:
    """The same from the sizes of the U-Net's weights, by their ldm names."""
    depths = _depths(sizes)
    contexts = [size for name, size in sizes.items() if name.endswith("attn2.to_k.weight")]
    if not depths or not contexts:
        return None
    channels: list[int] = [sizes["input_blocks.0.0.weight"][0]]
    depth = [0]
    for number in range(1, 1 + max(_numbers(sizes))):
        block = f"input_blocks.{number}"
        if f"{block}.0.op.weight" in sizes:
            channels.append(channels[-1])
            depth.append(0)
            continue
        channels[-1] = sizes[f"{block}.0.out_layers.3.weight"][0]
        depth[-1] = depths.get(block, depth[-1])
    vector: Any = sizes.get("label_emb.0.0.weight", (0, 0))
    return UNetShape(
        channels=tuple(channels),
        depths=tuple(depth),
        middle_depth=depths.get("middle_block", 0),
        context_width=contexts[0][1],
        vector_width=int(vector[1]),
    )


def _depths(sizes: Mapping[str, Any]) -> dict[str, int]:
    """The number of transformer blocks of each block that has any."""
    found: dict[str, int] = {}
    for name in sizes:
        match = _TRANSFORMER.match(name)
        if match:
            found[match[1]] = max(found.get(match[1], 0), int(match[2]) + 1)
    return found


def _numbers(sizes: Mapping[str, Any]) -> set[int]:
    return {int(name.split(".")[1]) for name in sizes if name.startswith("input_blocks.")}
