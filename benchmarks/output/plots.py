"""Plots of the results: speed-up and memory by size, speed-up by error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from benchmarks.output import trade_off
from benchmarks.peers.names import BALANCED, DENSE, FLOOR, IDEAL, PRESETS, TODO, TODO_BY
from benchmarks.running.store import Store
from benchmarks.running.timing import Spread, ratio

_DPI = 110
# ToDo stands out, the bounds stay in the background
_OURS, _PAPER = "crimson", "rosybrown"
_OTHERS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:cyan")
_COLOURS = {
    TODO: _PAPER,
    **dict(zip(PRESETS, ("orangered", _OURS, "darkmagenta"), strict=True)),
    **dict(zip(TODO_BY, ("lightcoral", "indianred", "darkred"), strict=True)),
    IDEAL: "black",
    FLOOR: "black",
    DENSE: "tab:gray",
}
_LINES = {IDEAL: "--", FLOOR: ":"}
# by method, its points
Series = dict[str, list[tuple[int, Spread]]]
# a method's point and dense's, to what is drawn
Value = Callable[[dict[str, Any], dict[str, Any]], Spread | None]


def draw(store: Store, folder: Path) -> list[Path]:
    """Draw the plots for which there are numbers, as PNG files in `folder`."""
    drawn = []
    by_model: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for (implementation, architecture, size), methods in store.groups("unet").items():
        by_model.setdefault((implementation, architecture), {})[int(size)] = methods
    kinds: dict[str, tuple[str, str, Value]] = {
        "speed": ("One U-Net call", "times faster than dense", _speed_up),
        "memory": ("Peak memory of one U-Net call", "MiB beyond the weights", _peak),
    }
    for (implementation, architecture), sizes in by_model.items():
        stem = f"{architecture}-{implementation}".replace(", ", "-").replace(" ", "-")
        for kind, (title, label, value) in kinds.items():
            series = _series(sizes, value)
            if series:
                path = folder / f"{kind}-{stem.replace('.', '').lower()}.png"
                where = f"{title}, {architecture} ({implementation})"
                drawn.append(_size_picture(path, where, label, series))
    layers = _layer_speed_ups(store)
    if layers:
        drawn.append(_layer_picture(folder / "speed-layers.png", layers))
    trades = {times: trade_off.both(store, times) for times in trade_off.enlargements(store)}
    # the errors are told as ratios to the paper's
    if trades := {times: points for times, points in trades.items() if TODO in points}:
        native = store.conditions("quality")["native"]
        drawn.append(_trade_picture(folder / "speed-error.png", trades, native))
    return drawn


def _speed_up(point: dict[str, Any], dense: dict[str, Any]) -> Spread | None:
    if point is dense or not dense.get("seconds") or not point.get("seconds"):
        return None
    return ratio(dense["seconds"], point["seconds"])


def _peak(point: dict[str, Any], dense: dict[str, Any]) -> Spread | None:
    return Spread.of([point["peak_bytes"] / 2**20]) if "peak_bytes" in point else None


def _series(sizes: dict[int, dict[str, Any]], value: Value) -> Series:
    series: Series = {}
    for size, methods in sorted(sizes.items()):
        for name, point in methods.items():
            if (spread := value(point, methods.get(DENSE, {}))) is not None:
                series.setdefault(name, []).append((size, spread))
    return series


def _layer_speed_ups(store: Store) -> dict[str, Series]:
    sides: dict[str, dict[int, dict[str, Any]]] = {}
    labels = {DENSE: DENSE, "ToDo nearest": TODO, IDEAL: IDEAL, FLOOR: FLOOR}
    for (name, kernel, side), methods in store.groups("layer").items():
        shown = {labels[each]: point for each, point in methods.items() if each in labels}
        sides.setdefault(f"{name} ({kernel})", {})[int(side)] = shown
    series = {name: _series(each, _speed_up) for name, each in sides.items() if len(each) > 1}
    return {name: each for name, each in series.items() if each}


def _plot(axes: Any, series: Series) -> None:
    axes.set_prop_cycle(color=_OTHERS)
    for name, points in series.items():
        x, spreads = zip(*points)
        y = [spread.median for spread in spreads]
        reach = (
            [spread.median - spread.low for spread in spreads],
            [spread.high - spread.median for spread in spreads],
        )
        style = {"linewidth": 3 if name == BALANCED else 1.5, "marker": ".", "capsize": 3}
        if name in _COLOURS:
            style["color"] = _COLOURS[name]
        if name in _LINES:
            style |= {"linestyle": _LINES[name], "linewidth": 1, "marker": ""}
        axes.errorbar(x, y, yerr=reach, label=name, **style)
    axes.set_xticks(sorted({x for points in series.values() for x, _ in points}))
    axes.grid(alpha=0.3)


def _size_picture(path: Path, title: str, label: str, series: Series) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4.2))
    _plot(axes, series)
    axes.set_ylim(bottom=0)
    axes.set(title=title, xlabel="pixels a side", ylabel=label)
    axes.legend(fontsize="small", ncols=2)
    return _save(figure, path)


def _layer_picture(path: Path, layers: dict[str, Series]) -> Path:
    size = (2 + 3 * len(layers), 3.4)
    figure, panels = plt.subplots(1, len(layers), figsize=size, sharey=True, squeeze=False)
    for axes, (name, series) in zip(panels[0], layers.items()):
        _plot(axes, series)
        axes.set_title(name, fontsize="small")
        axes.set_xlabel("tokens a side")
    # logarithmic, as the floor is many times faster than the rest
    panels[0][0].set(ylabel="times faster than dense", yscale="log")
    panels[0][0].legend(fontsize="small")
    return _save(figure, path)


def _trade_picture(path: Path, trades: dict[int, trade_off.Trade], native: int) -> Path:
    figure, panels = plt.subplots(1, len(trades), figsize=(6.4 * len(trades), 4.4), squeeze=False)
    for axes, (times, points) in zip(panels[0], trades.items()):
        _trade_panel(axes, points)
        axes.set(
            title=f"{trade_off.ARCHITECTURE} at {times * trade_off.NATIVE} pixels",
            xlabel=f"error of the picture (a model of {native} px at {times * native}), paper = 1",
            ylabel="how many times faster a step is",
            xscale="log",
        )
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small", loc="best")
    return _save(figure, path)


def _trade_panel(axes: Any, points: trade_off.Trade) -> None:
    """The two curves, the presets and the peers; errors as ratios to the paper's."""
    places = {name: (error / points[TODO][0], speed) for name, (error, speed) in points.items()}
    presets, on_curves = {TODO, *PRESETS}, set()
    for (label, names), color in zip(trade_off.curves(points).items(), (_PAPER, _OURS)):
        # a single point is no curve
        if len(names) > 1:
            line = [places[name] for name in names]
            axes.plot(*zip(*line), ".-", color=color, alpha=0.7, label=label)
            on_curves |= set(names) - presets
    for name, place in places.items():
        if name not in on_curves:
            ours = name in presets
            style = {"marker": "*", "markersize": 15} if ours else {"marker": "o", "markersize": 8}
            axes.plot(*place, linestyle="", color=_OURS if ours else _OTHERS[0], **style)
            # names of the presets stand to the left, where no other point is
            where = {"xytext": (-11 if ours else 9, -4), "ha": "right" if ours else "left"}
            label = name.removeprefix("ToDo ")
            axes.annotate(label, place, textcoords="offset points", **where)
    axes.margins(x=0.22, y=0.15)


def _save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path
