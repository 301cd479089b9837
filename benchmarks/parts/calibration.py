"""The machine's rates, by which the cost model predicts what the benchmark measures."""

from __future__ import annotations

import dataclasses

from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from lib_todo.cost import rates as library
from lib_todo.cost.rates import Rates

# PyTorch's own choice among its attention backends
AUTOMATIC = "automatic"


def measure(bench: Bench) -> None:
    """Measure the rates, unless they are there already."""
    point = bench.store.point("calibration", AUTOMATIC)
    if "rates" not in point:
        point["rates"] = dataclasses.asdict(library.measure(bench.device, bench.dtype))
        bench.store.save()


def rates(store: Store, attention: str = AUTOMATIC) -> Rates | None:
    """The calibration with that backend; None without one."""
    found = store.data["points"].get(f"calibration | {attention}", {}).get("rates")
    return Rates(**found) if found else None
