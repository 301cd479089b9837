"""The machine: hardware and versions, for the JSON and the tables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "diffusers", "tomesd", "hidiffusion", "stable-diffusion-sdkit", "einops")


def describe(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Hardware, versions, device and precision in types that JSON knows."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "memory_gib": round(_memory_bytes() / 2**30),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "precision": str(dtype).removeprefix("torch."),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
