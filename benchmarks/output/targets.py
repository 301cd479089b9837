"""The targets, and whether the measurements meet them."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.output import trade_off
from benchmarks.parts import overhead
from benchmarks.peers.names import DENSE, FLOOR, IDEAL, OLDER, REFERENCE, TODO
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio

NOT_PEERS = {DENSE, FLOOR, *trade_off.OURS}
# a smaller difference cannot be told from noise in a few runs
TOLERANCE = 0.02


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
            spent = statistics.median(alone.values()) + added.median
            share = 100 * spent / statistics.median(times.values())
            what = f"pooling and interception, {name} ({kernel}), {side}² tokens, %"
            found.append(_target(what, share, share <= 2, "≤ 2"))
    for (implementation, architecture, size), methods in store.groups("unet").items():
        where = f"{architecture}, {implementation}, {size}²"
        enlargement, rest = divmod(int(size), trade_off.NATIVE)
        known = architecture == trade_off.ARCHITECTURE and not rest
        error = trade_off.errors(store, enlargement) if known else {}
        found += _call_targets(where, int(size), methods, error)
    return found


def _call_targets(
    where: str, size: int, methods: dict[str, dict[str, Any]], error: dict[str, float]
) -> list[list[str]]:
    # the automatic factor pools nothing at 512 pixels
    rows = _time_targets(where, methods, error) if size > 512 else []
    ours = methods.get(TODO, {})
    if "peak_bytes" in ours and "peak_bytes" in methods.get(DENSE, {}):
        share = ours["peak_bytes"] / methods[DENSE]["peak_bytes"]
        rows.append(_target(f"peak memory / dense, {where}", share, share <= 1, "≤ 1"))
    return rows


def _time_targets(
    where: str, methods: dict[str, dict[str, Any]], error: dict[str, float]
) -> list[list[str]]:
    """Other ToDo implementations against ToDo; other methods against a preset with no larger error.

    Args:
        error: by method; empty where none was measured at this size.
    """
    rows = []
    times = {name: point["seconds"] for name, point in methods.items() if point.get("seconds")}
    for name in times:
        ours = trade_off.as_close(name, error, times) or TODO
        if name in NOT_PEERS or ours not in times:
            continue
        spread = ratio(times[name], times[ours])
        value, runs = spread.median, spread.count
        what = f"{name} / {ours} (time), {where}"
        if name == IDEAL:
            slower = 100 * (1 / value - 1)
            rows.append(_target(f"slower than ideal, {where}, %", slower, slower <= 3, "≤ 3", runs))
        elif name in (REFERENCE, OLDER):
            wanted = f"≥ 1, less {TOLERANCE:.0%}"
            rows.append(_target(what, value, value >= 1 - TOLERANCE, wanted, runs))
        else:
            rows.append(_target(what, value, value > 1, "> 1", runs))
    return rows


def _target(what: str, value: float, met: bool, wanted: str, runs: int | None = None) -> list[str]:
    verdict = "met" if met else "**missed**"
    weak = {0: " (in rounds of its own)", 1: " (one run)"}
    return [what, f"{value:.3f}", wanted, verdict + weak.get(runs, "")]
