"""The machine's rates, by which the cost model predicts what the benchmark measures."""

from __future__ import annotations

import dataclasses

from benchmarks.models import attention_backends
from benchmarks.models.attention_backends import AUTOMATIC
from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from lib_todo.cost import rates as library
from lib_todo.cost.rates import Rates


def measure(bench: Bench, attentions: list[str] | None = None) -> None:
    """Measure the rates with each attention backend, unless they are there already.

    Args:
        attentions: of attention_backends.NAMES (default: all that whole models run with).
    """
    for attention in attentions or attention_backends.for_whole_models(bench.device, bench.dtype):
        point = bench.store.point("calibration", attention)
        if "rates" not in point and not bench.out_of_time:
            with attention_backends.using(attention):
                measured = library.measure(bench.device, bench.dtype)
            point["rates"] = dataclasses.asdict(measured)
            bench.store.save()


def rates(store: Store, attention: str = AUTOMATIC) -> Rates | None:
    """The calibration with that backend; None without one."""
    found = store.data["points"].get(f"calibration | {attention}", {}).get("rates")
    return Rates.from_dict(found) if found else None
