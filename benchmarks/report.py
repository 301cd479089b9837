"""Tables in Markdown from the results: what was measured, beside what was to be reached."""

from __future__ import annotations

import random
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import overhead, predict, targets
from benchmarks.peers import DENSE, IDEAL, TODO, attention_of
from benchmarks.store import Store
from benchmarks.timing import Spread, Times, ratio
from benchmarks.unet import PIXELS_PER_LATENT
from lib_todo import Settings

RESAMPLINGS = 2000


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _seconds(times: Times) -> str:
    spread = Spread.of(times.values())
    if spread.count == 1:
        return f"{_digits(spread.median)} (one run)"
    return (
        f"{_digits(spread.median)} ({_digits(spread.low)} to {_digits(spread.high)}, "
        f"{spread.count} runs)"
    )


def _digits(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _times(spread: Spread) -> str:
    if spread.count == 0:
        return f"{spread.median:.3f} (in rounds of its own)"
    if spread.count == 1:
        return f"{spread.median:.3f}"
    return f"{spread.median:.3f} ({spread.low:.3f} to {spread.high:.3f})"


def _mebibytes(point: dict[str, Any]) -> str:
    return f"{point['peak_bytes'] / 2**20:.0f}" if "peak_bytes" in point else ""


def _machine(store: Store) -> str:
    described = {**store.data["machine"], **store.conditions("unet")}
    rows = [[name.replace("_", " "), str(value)] for name, value in described.items()]
    return _table(["what", "value"], rows)


def _overhead(store: Store) -> str:
    added = overhead.added(store)
    if added is None:
        return ""
    row = "{:.1f} ({:.1f} to {:.1f})".format(
        *(1e6 * seconds for seconds in (added.median, added.low, added.high))
    )
    return _table(["a layer that passes through", "µs"], [["median (least to greatest)", row]])


def _layers(store: Store) -> str:
    head = ["layer", "tokens", "method", "seconds", "speed-up", "of ideal's time", "peak MiB"]
    rows = []
    for (name, kernel, side), methods in store.groups("layer").items():
        for method, point in methods.items():
            if not point.get("seconds"):
                continue
            cells = [f"{name} ({kernel})", f"{side}²", method, _seconds(point["seconds"])]
            for other, upside_down in ((DENSE, False), (IDEAL, True)):
                base = methods.get(other, {}).get("seconds")
                pair = (point["seconds"], base) if upside_down else (base, point["seconds"])
                cells.append(_times(ratio(*pair)) if base else "")
            rows.append([*cells, _mebibytes(point)])
    return _table(head, rows) if rows else ""


def _pooling(store: Store) -> str:
    head = ["layer", "tokens", "method", "ms of pooling", "share of the pooled layer's time"]
    layers = store.groups("layer")
    rows = []
    for (name, side), methods in store.groups("pooling").items():
        for method, point in methods.items():
            alone = statistics.median(point["seconds"].values())
            whole = [
                statistics.median(group[f"ToDo {method}"]["seconds"].values())
                for (layer, _, tokens), group in layers.items()
                if (layer, tokens) == (name, side)
                and group.get(f"ToDo {method}", {}).get("seconds")
            ]
            # beside the fastest of the attention's implementations
            share = f"{100 * alone / min(whole):.2f}%" if whole else ""
            rows.append([name, f"{side}²", method, f"{1000 * alone:.2f}", share])
    return _table(head, rows) if rows else ""


def _calls(store: Store) -> str:
    head = ["U-Net", "pixels", "method", "seconds", "speed-up", "its time / ToDo's"]
    rows = []
    for (way, architecture, size), methods in store.groups("unet").items():
        base = methods.get(DENSE, {}).get("seconds")
        ours = methods.get(TODO, {}).get("seconds")
        for method, point in methods.items():
            cells = [f"{architecture}, {way}", f"{size}²", method]
            times = point.get("seconds")
            if not times:
                continue
            cells.append(_seconds(times))
            cells.append(_times(ratio(base, times)) if base else "")
            cells.append(_times(ratio(times, ours)) if ours and method != TODO else "")
            rows.append(cells)
    return _table(head, rows) if rows else ""


def _generations(store: Store) -> str:
    head = ["through", "pixels", "method", "seconds", "speed-up"]
    rows = []
    for (through, size), methods in store.groups("generation").items():
        base = methods.get(DENSE, {}).get("seconds")
        for method, point in methods.items():
            speed_up = _times(ratio(base, point["seconds"])) if base else ""
            rows.append([through, f"{size}²", method, _seconds(point["seconds"]), speed_up])
    return _table(head, rows) if rows else ""


def _memory(store: Store) -> str:
    head = ["U-Net", "pixels", "method", "peak MiB", "of dense"]
    rows = []
    for (way, architecture, size), methods in store.groups("unet").items():
        dense = methods.get(DENSE, {}).get("peak_bytes")
        for method, point in methods.items():
            peak = point.get("peak_bytes")
            if peak and dense:
                share = f"{100 * peak / dense:.1f}%"
                where = [f"{architecture}, {way}", f"{size}²", method]
                rows.append([*where, _mebibytes(point), share])
    return _table(head, rows) if rows else ""


def _predictions(store: Store) -> str:
    head = ["U-Net", "pixels", "predicted speed-up", "measured", "prediction / measured"]
    rate, measured_with = predict.rates(store), store.conditions("unet")
    rows = []
    for (way, architecture, size), methods in store.groups("unet").items():
        attention = attention_of(way)
        times = [methods.get(name, {}).get("seconds") for name in (DENSE, TODO)]
        if not predict.calibrated(architecture, attention, rate) or not all(times):
            continue
        latent = (int(size) // PIXELS_PER_LATENT,) * 2
        batch = measured_with["batch"]
        itemsize = getattr(torch, store.data["machine"]["precision"]).itemsize
        dense, pooled = (
            predict.seconds(architecture, latent, settings, batch, itemsize, rate, attention)
            for settings in (None, Settings(threshold=measured_with["threshold"]))
        )
        measured, predicted = ratio(*times).median, dense / pooled
        cells = [f"{predicted:.3f}", f"{measured:.3f}", f"{predicted / measured:.3f}"]
        rows.append([f"{architecture}, {way}", f"{size}²", *cells])
    return _table(head, rows) if rows else ""


def _targets(store: Store) -> str:
    rows = targets.rows(store)
    return _table(["target", "measured", "wanted", ""], rows) if rows else ""


def _with_interval(statistic: Callable[[list[int]], float], seeds: int, digits: int) -> str:
    """The statistic of all seeds with its 95% interval, by resampling the seeds.

    Args:
        statistic: from seeds, which may repeat.
    """
    whole = f"{statistic(list(range(seeds))):.{digits}f}"
    if seeds < 2:
        return whole
    draw = random.Random(0)
    drawn = sorted(statistic(draw.choices(range(seeds), k=seeds)) for _ in range(RESAMPLINGS))
    low, high = (drawn[int(part * RESAMPLINGS)] for part in (0.025, 0.975))
    return f"{whole} ({low:.{digits}f} to {high:.{digits}f})"


def _mean(values: list[float], digits: int) -> str:
    return _with_interval(
        lambda seeds: statistics.fmean(values[seed] for seed in seeds), len(values), digits
    )


def _of_means(upper: list[float], lower: list[float], digits: int) -> str:
    """How many times the mean of `upper` is of that of `lower`, both of the same seeds."""
    return _with_interval(
        lambda seeds: sum(upper[seed] for seed in seeds) / sum(lower[seed] for seed in seeds),
        min(len(upper), len(lower)),
        digits,
    )


def _quality(store: Store) -> str:
    head = ["pixels", "method", "seeds", "latents' squared error", "PSNR, dB", "fine detail"]
    head.append("error / nearest's")
    rows = []
    found = store.under("quality")
    for (side, name), point in sorted(found.items(), key=lambda item: int(item[0][0])):
        errors = point.get("latent_mse")
        if not errors:
            continue
        cells = [f"{side}²", name, str(len(errors)), _mean(errors, 5)]
        cells += [_mean(point["psnr"], 1), _mean(point["high_frequency"], 3)]
        nearest = found.get((side, "ToDo nearest"), {}).get("latent_mse", [])
        # an error of nothing is no measure
        other = nearest and all(nearest) and name != "ToDo nearest"
        rows.append([*cells, _of_means(errors, nearest, 2) if other else ""])
    return _table(head, rows) if rows else ""


def _notes(store: Store) -> str:
    rows = [[name.replace(" | ", ", "), text] for name, text in store.left_out().items()]
    return _table(["left out", "why"], rows) if rows else ""


def tables(store: Store) -> dict[str, str]:
    """Markdown tables by name; those without numbers are empty."""
    return {
        "machine": _machine(store),
        "targets": _targets(store),
        "calls": _calls(store),
        "generations": _generations(store),
        "memory": _memory(store),
        "layers": _layers(store),
        "pooling": _pooling(store),
        "overhead": _overhead(store),
        "predictions": _predictions(store),
        "quality": _quality(store),
        "notes": _notes(store),
    }


def as_text(found: dict[str, str]) -> str:
    """All tables, each below its name."""
    return "\n\n".join(f"{name}\n{table}" for name, table in found.items() if table)


def renew(path: Path, found: dict[str, str]) -> None:
    """Put the tables between their marks in a Markdown file.

    A table stands between `<!-- table: name -->` and `<!-- end -->`.
    """

    def put(match: re.Match[str]) -> str:
        table = found.get(match[1]) or "(not measured)"
        return f"<!-- table: {match[1]} -->\n{table}\n<!-- end -->"

    text = path.read_text()
    path.write_text(re.sub(r"<!-- table: (\w+) -->.*?<!-- end -->", put, text, flags=re.DOTALL))
