"""Plots of the results: speed-up by size, and speed-up by error."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from benchmarks.peers.methods import BALANCED, DENSE, MOVING_BY, PAPER, PRESETS, TODO_BY
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio

DPI = 110
# ToDo stands out
OURS, PAPERS, OTHERS = "crimson", "rosybrown", "tab:blue"
# the U-Net whose speed goes with the checkpoint's errors, and the size it was trained at
ARCHITECTURE, NATIVE = "SD 1.x", 512
# by method, error and speed-up
Trade = dict[str, tuple[float, float]]


def draw(store: Store, folder: Path) -> list[Path]:
    """Draw the plots for which there are numbers, as PNG files in `folder`."""
    drawn = [(folder / f"{name}.png", make) for name, make in PLOTS.items()]
    return [path for path, make in drawn if make(store, path)]


def draw_speed(store: Store, path: Path) -> bool:
    """SD 1.x: speed-up of a call against size, one line for each method."""
    lines: dict[str, list[tuple[int, Any]]] = {}
    for (kind, architecture, size), methods in store.groups("unet").items():
        dense = methods.get(DENSE, {}).get("seconds")
        if dense and (kind, architecture) == ("diffusers", ARCHITECTURE):
            for name, point in methods.items():
                if name != DENSE and point.get("seconds"):
                    spread = ratio(dense, point["seconds"])
                    lines.setdefault(name, []).append((int(size), spread))
    if not lines:
        return False
    figure, axes = plt.subplots(figsize=(7.5, 4.6))
    for name, points in lines.items():
        sizes, spreads = zip(*points)
        medians = [spread.median for spread in spreads]
        below = [spread.median - spread.low for spread in spreads]
        above = [spread.high - spread.median for spread in spreads]
        style = {"linewidth": 3} if name == BALANCED else {}
        axes.errorbar(
            sizes, medians, yerr=(below, above), label=name, marker=".", capsize=3, **style
        )
    axes.set(
        title=f"One U-Net call, {ARCHITECTURE}",
        xlabel="pixels a side",
        ylabel="times faster than dense",
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return _save(figure, path)


def trade_off(store: Store, times: int) -> Trade:
    """Error and speed-up at `times` the trained size, of methods for which both were measured.

    The error is a small checkpoint's, over the seeds that all methods have; the speed is that of
    SD 1.x, equally enlarged.
    """
    side = str(times * store.conditions("quality").get("native", 0))
    found = {
        name: point.get("latent_mse") for (name,), point in store.under("quality", side).items()
    }
    errors = {name: values for name, values in found.items() if values}
    seeds = min(map(len, errors.values()), default=0)
    calls = store.groups("unet").get(("diffusers", ARCHITECTURE, str(times * NATIVE)), {})
    dense = calls.get(DENSE, {}).get("seconds")
    trade = {}
    for name, values in errors.items():
        seconds = (calls.get(name) or calls.get(_timed_as(name, times), {})).get("seconds")
        if dense and seconds:
            trade[name] = statistics.fmean(values[:seeds]), ratio(dense, seconds).median
    return trade


def _timed_as(name: str, times: int) -> str:
    """The method whose calls take equally long: a moving phase costs nothing."""
    factor = times if name == "ToDo close" else MOVING_BY.get(name)
    if factor is None:
        return name
    return PAPER if factor == times else f"ToDo factor {factor}"


def curves(trade: Trade) -> dict[str, list[str]]:
    """The paper's ToDo with several factors, without and with a moving phase; the slowest first."""
    lines = {"the paper's, by factor": [PAPER, *TODO_BY], "the same factors, moving": MOVING_BY}
    return {
        label: sorted((name for name in names if name in trade), key=lambda name: trade[name][1])
        for label, names in lines.items()
    }


def draw_error(store: Store, path: Path) -> bool:
    """Speed-up against error, one panel for each enlargement."""
    native = store.conditions("quality").get("native", 0)
    sides = {int(side) for side, _ in store.under("quality")}
    trades = {side // native: trade_off(store, side // native) for side in sorted(sides)}
    # errors are drawn as ratios to the paper's
    trades = {times: trade for times, trade in trades.items() if PAPER in trade}
    if not trades:
        return False
    figure, panels = plt.subplots(1, len(trades), figsize=(6.4 * len(trades), 4.4), squeeze=False)
    for axes, (times, trade) in zip(panels[0], trades.items()):
        _draw_trade(axes, trade)
        axes.set(
            title=f"{ARCHITECTURE} at {times * NATIVE} pixels",
            xlabel=f"error of the picture (a model of {native} px at {times * native}), paper = 1",
            ylabel="how many times faster a step is",
            xscale="log",
        )
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="best")
    return _save(figure, path)


def _draw_trade(axes: Any, trade: Trade) -> None:
    """The two curves, the presets and the peers; errors as ratios to the paper's."""
    places = {name: (error / trade[PAPER][0], speed) for name, (error, speed) in trade.items()}
    for (label, names), color in zip(curves(trade).items(), (PAPERS, OURS)):
        line = [places[name] for name in names]
        axes.plot(*zip(*line), ".-", color=color, alpha=0.7, label=label)
    for name, place in places.items():
        if name in PRESETS or name not in (*TODO_BY, *MOVING_BY):
            ours = name in PRESETS
            style = {"marker": "*", "markersize": 15} if ours else {"marker": "o", "markersize": 8}
            axes.plot(*place, linestyle="", color=OURS if ours else OTHERS, **style)
            # names of the presets stand to the left, where no other point is
            where = {"xytext": (-11 if ours else 9, -4), "ha": "right" if ours else "left"}
            label = name.removeprefix("ToDo ")
            axes.annotate(label, place, textcoords="offset points", **where)
    axes.margins(x=0.22, y=0.15)


def _save(figure: Any, path: Path) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
    return True


# by name, what draws a file if there are numbers for it, and says whether
PLOTS: dict[str, Callable[[Store, Path], bool]] = {"speed": draw_speed, "error": draw_error}
