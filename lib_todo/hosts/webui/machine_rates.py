"""This machine's rates, for the hint: measured on request, never during a generation; in a file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from ...cost.rates import Rates, measure

FILE = Path(__file__).resolve().parents[3] / "machine-rates.json"
BUSY = "An image is being generated; measure when it is done"


class BusyError(RuntimeError):
    """A generation is using the device."""


def rates() -> Rates | None:
    """The rates of the device and precision in use; None where they were not measured."""
    try:
        return Rates(**_kept()[_key(*_in_use())])
    except (KeyError, TypeError):
        return None


def measure_now() -> Rates:
    """Measure the rates and write them to the file.

    Raises:
        BusyError: a generation is under way, or waits for its turn.
    """
    from modules.call_queue import queue_lock

    if not queue_lock.acquire(blocking=False):
        raise BusyError(BUSY)
    try:
        device, dtype = _in_use()
        found = measure(device, dtype)
    finally:
        queue_lock.release()
    kept = {**_kept(), _key(device, dtype): dataclasses.asdict(found)}
    FILE.write_text(json.dumps(kept, indent=1) + "\n")
    return found


def _in_use() -> tuple[torch.device, torch.dtype]:
    from modules import devices

    dtype = torch.float32 if devices.device.type == "cpu" else devices.dtype
    return devices.device, dtype


def _key(device: torch.device, dtype: torch.dtype) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"{name}, {str(dtype).removeprefix('torch.')}"


def _kept() -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(FILE.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
