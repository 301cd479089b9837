"""This machine's rates: measured on request, never during a generation, and kept in a file."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path

import pytest
import torch

from lib_todo.cost.rates import measure


def test_the_rates_of_this_machine() -> None:
    found = measure(torch.device("cpu"), torch.float32)
    assert min(found.products, found.attention, found.narrow_attention, found.bytes) > 1e6
    assert found.itemsize == 4


def test_rates_are_kept_by_device_and_never_measured_beside_a_generation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from lib_todo.hosts.webui import machine_rates

    lock = threading.Lock()
    devices = types.SimpleNamespace(device=torch.device("cpu"), dtype=torch.float16)
    modules = types.ModuleType("modules")
    modules.devices = devices
    call_queue = types.SimpleNamespace(queue_lock=lock)
    for name, part in {"modules": modules, "modules.call_queue": call_queue}.items():
        monkeypatch.setitem(sys.modules, name, part)
    monkeypatch.setattr(machine_rates, "FILE", tmp_path / "rates.json")
    assert machine_rates.rates() is None
    with lock, pytest.raises(machine_rates.BusyError):
        machine_rates.measure_now()
    made = machine_rates.measure_now()
    assert machine_rates.rates() == made
    assert not lock.locked()
    for broken in ("", "[]", '{"cpu, float32": {"products": 1}}'):
        machine_rates.FILE.write_text(broken)
        assert machine_rates.rates() is None
