"""Plots of the results: speed-up and memory by size, speed-up by error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from benchmarks.output import trade_off
from benchmarks.peers.names import DENSE, FLOOR, IDEAL, PRESETS, TODO, TODO_BY
from benchmarks.running.store import Store
from benchmarks.running.timing import Spread, ratio

_DPI = 110
# ToDo stands out, the bounds stay in the background
_OURS = "crimson"
_PAPER = "rosybrown"
_PRESETS = ("orangered", "crimson", "darkmagenta")
_REDS = ("lightcoral", "indianred", "darkred")
_OTHERS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:cyan")
_STYLES: dict[str, dict[str, Any]] = {
    TODO: {"color": _PAPER, "linewidth": 2, "marker": "."},
    **{
        name: {"color": red, "linewidth": width, "marker": "o"}
        for name, red, width in zip(PRESETS, _PRESETS, (1.5, 3, 1.5), strict=True)
    },
    **{
        name: {"color": red, "linewidth": 1.5, "marker": "."}
        for name, red in zip(TODO_BY, _REDS, strict=True)
    },
    IDEAL: {"color": "black", "linewidth": 1, "linestyle": "--"},
    FLOOR: {"color": "black", "linewidth": 1, "linestyle": ":"},
    DENSE: {"color": "tab:gray", "linewidth": 1},
}
_PLAIN = {"linewidth": 1.5, "marker": "."}


def draw(store: Store, folder: Path) -> list[Path]:
    """Draw the plots for which there are numbers, as PNG files in `folder`."""
    drawn = []
    by_model: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for (implementation, architecture, size), methods in store.groups("unet").items():
        by_model.setdefault((implementation, architecture), {})[int(size)] = methods
    for (implementation, architecture), sizes in by_model.items():
        stem = (
            f"{architecture}-{implementation}".replace(", ", "-")
            .replace(" ", "-")
            .replace(".", "")
            .lower()
        )
        speed = _speed_ups(sizes)
        if speed:
            path = folder / f"speed-{stem}.png"
            label = "times faster than dense"
            _lines(
                path,
                f"One U-Net call, {architecture} ({implementation})",
                "pixels a side",
                label,
                speed,
            )
            drawn.append(path)
        memory = _peaks(sizes)
        if memory:
            path = folder / f"memory-{stem}.png"
            title = f"Peak memory of one U-Net call, {architecture} ({implementation})"
            _lines(path, title, "pixels a side", "MiB beyond the weights", memory)
            drawn.append(path)
    layers = _layer_speed_ups(store)
    if layers:
        drawn.append(_layer_picture(folder / "speed-layers.png", layers))
    trades = {times: trade_off.both(store, times) for times in trade_off.enlargements(store)}
    # the errors are told as ratios to the paper's
    if trades := {times: points for times, points in trades.items() if TODO in points}:
        native = store.conditions("quality")["native"]
        drawn.append(_trade_picture(folder / "speed-error.png", trades, native))
    return drawn


Series = dict[str, list[tuple[int, Spread]]]


def _speed_ups(sizes: dict[int, dict[str, Any]]) -> Series:
    series: Series = {}
    for size, methods in sorted(sizes.items()):
        base = methods.get(DENSE, {}).get("seconds")
        for name, point in methods.items():
            if base and point.get("seconds") and name != DENSE:
                series.setdefault(name, []).append((size, ratio(base, point["seconds"])))
    return series


def _peaks(sizes: dict[int, dict[str, Any]]) -> Series:
    series: Series = {}
    for size, methods in sorted(sizes.items()):
        for name, point in methods.items():
            if "peak_bytes" in point:
                value = point["peak_bytes"] / 2**20
                series.setdefault(name, []).append((size, Spread(value, value, value, 1)))
    return series


def _layer_speed_ups(store: Store) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for (name, kernel, side), methods in store.groups("layer").items():
        base = methods.get(DENSE, {}).get("seconds")
        for method, point in methods.items():
            if base and point.get("seconds") and method in ("ToDo nearest", IDEAL, FLOOR):
                series = found.setdefault(f"{name} ({kernel})", {})
                label = TODO if method == "ToDo nearest" else method
                pair = (int(side), ratio(base, point["seconds"]))
                series.setdefault(label, []).append(pair)
    return {name: series for name, series in found.items() if max(map(len, series.values())) > 1}


def _plot(axes: Any, series: Series) -> None:
    axes.set_prop_cycle(color=_OTHERS)
    for name, points in series.items():
        points = sorted(points, key=lambda pair: pair[0])
        x, spreads = zip(*points)
        y = [spread.median for spread in spreads]
        below = [spread.median - spread.low for spread in spreads]
        above = [spread.high - spread.median for spread in spreads]
        style = _STYLES.get(name, _PLAIN)
        axes.errorbar(x, y, yerr=(below, above), label=name, capsize=3, **style)
    axes.set_xticks(sorted({x for points in series.values() for x, _ in points}))
    axes.grid(alpha=0.3)


def _lines(path: Path, title: str, x_label: str, y_label: str, series: Series) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2))
    _plot(axes, series)
    axes.set_ylim(bottom=0)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.legend(fontsize="small", ncols=2)
    _save(figure, path)


def _trade_picture(path: Path, trades: dict[int, trade_off.Trade], native: int) -> Path:
    figure, panels = plt.subplots(1, len(trades), figsize=(6.4 * len(trades), 4.4), squeeze=False)
    for axes, (times, points) in zip(panels[0], trades.items()):
        _trade_panel(axes, times, points)
        axes.set(
            title=f"{trade_off.ARCHITECTURE} at {times * trade_off.NATIVE} pixels",
            xlabel=f"error of the picture (a model of {native} px at {times * native}), paper = 1",
            ylabel="how many times faster a step is",
            xscale="log",
        )
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small", loc="best")
    _save(figure, path)
    return path


def _trade_panel(axes: Any, times: int, points: trade_off.Trade) -> None:
    """The two curves, the presets and the peers; errors as ratios to the paper's."""
    paper = points[TODO][0] if TODO in points else 1
    places = {name: (error / paper, speed) for name, (error, speed) in points.items()}
    on_curves: set[str] = set()
    for (label, names), color in zip(trade_off.curves(points, times).items(), (_PAPER, _OURS)):
        # a single point is no curve
        if len(names) > 1:
            line = [places[name] for name in names]
            axes.plot(*zip(*line), ".-", color=color, alpha=0.7, label=label)
            on_curves.update(set(names) - {TODO, *PRESETS})
    for name, place in places.items():
        if name in on_curves:
            continue
        preset = name in (TODO, *PRESETS)
        style = {"marker": "*", "markersize": 15} if preset else {"marker": "o", "markersize": 8}
        axes.plot(*place, linestyle="", color=_OURS if preset else _OTHERS[0], **style)
        # names of the presets stand to the left, where no other point is
        where = {"xytext": (-11 if preset else 9, -4), "ha": "right" if preset else "left"}
        label = name.removeprefix("ToDo ")
        axes.annotate(label, place, textcoords="offset points", **where)
    axes.margins(x=0.22, y=0.15)


def _layer_picture(path: Path, layers: dict[str, Series]) -> Path:
    figure, panels = plt.subplots(
        1, len(layers), figsize=(2 + 3 * len(layers), 3.4), sharey=True, squeeze=False
    )
    for axes, (name, series) in zip(panels[0], layers.items()):
        _plot(axes, series)
        axes.set_title(name, fontsize="small")
        axes.set_xlabel("tokens a side")
    # logarithmic, as the floor is many times faster than the rest
    panels[0][0].set(ylabel="times faster than dense", yscale="log")
    panels[0][0].legend(fontsize="small")
    _save(figure, path)
    return path


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
