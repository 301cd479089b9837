"""What was to be reached, beside what was measured."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks import overhead
from benchmarks.peers import (
    DENSE,
    FLOOR,
    IDEAL,
    OLDER,
    REFERENCE,
    STILL_CLOSER,
    TODO,
    TODO_BY,
)
from benchmarks.store import Store
from benchmarks.timing import ratio

NOT_PEERS = {TODO, *TODO_BY, FLOOR}


def rows(store: Store) -> list[list[str]]:
    """Each target that has a number: what, measured, wanted, and whether it is met."""
    found = []
    added = overhead.added(store)
    if added:
        microseconds = 1e6 * added.median
        found.append(_target("a layer passed through, µs", microseconds, microseconds < 20, "< 20"))
    pooling = store.groups("pooling")
    for (name, kernel, side), methods in store.groups("layer").items():
        times = methods.get("ToDo nearest", {}).get("seconds")
        alone = pooling.get((name, side), {}).get("nearest", {}).get("seconds")
        if int(side) >= 128 and times and alone and added:
            spent = statistics.median(alone) + added.median
            share = 100 * spent / statistics.median(times)
            what = f"pooling and interception, {name} ({kernel}), {side}² tokens, %"
            found.append(_target(what, share, share <= 2, "≤ 2"))
    for (kind, architecture, size), methods in store.groups("unet").items():
        where = f"{architecture}, {kind}, {size}²"
        found += _call_targets(where, int(size), methods)
    return found


def _call_targets(where: str, size: int, methods: dict[str, dict[str, Any]]) -> list[list[str]]:
    # at 512 pixels there is nothing to pool
    rows = _time_targets(where, methods) if size > 512 else []
    ours = methods.get(TODO, {})
    if "peak_bytes" in ours and "peak_bytes" in methods.get(DENSE, {}):
        share = ours["peak_bytes"] / methods[DENSE]["peak_bytes"]
        rows.append(_target(f"peak memory / dense, {where}", share, share <= 1, "≤ 1"))
    return rows


def _time_targets(where: str, methods: dict[str, dict[str, Any]]) -> list[list[str]]:
    rows = []
    times = {name: point["seconds"] for name, point in methods.items() if point.get("seconds")}
    peers = [name for name in times if TODO in times and name not in NOT_PEERS]
    for name in peers:
        spread = ratio(times[name], times[TODO])
        runs = spread.count
        if name == IDEAL:
            slower = 100 * (1 / spread.median - 1)
            rows.append(_target(f"slower than ideal, {where}, %", slower, slower <= 3, "≤ 3", runs))
            continue
        what = f"{name} / ToDo (time), {where}"
        if name in (REFERENCE, OLDER):
            rows.append(_target(what, spread.median, spread.high >= 1, "≥ 1 in spread", runs))
        elif name != DENSE:
            rows.append(_target(what, spread.median, spread.median > 1, "> 1", runs))
    for peer, closer in STILL_CLOSER.items():
        if peer in times and closer in times:
            spread = ratio(times[peer], times[closer])
            what = f"{peer} / {closer} (time), {where}"
            rows.append(_target(what, spread.median, spread.median > 1, "> 1", spread.count))
    return rows


def _target(what: str, value: float, met: bool, wanted: str, runs: int = 0) -> list[str]:
    verdict = "met" if met else "**missed**"
    return [what, f"{value:.3f}", wanted, f"{verdict} (one run)" if runs == 1 else verdict]
