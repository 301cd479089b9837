"""The plot of speed-up against error."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from benchmarks.peers.methods import DENSE, MOVING_BY, PAPER, PRESETS, TODO_BY
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio

DPI = 110
# ToDo stands out
OURS, PAPERS, OTHERS = "crimson", "rosybrown", "tab:blue"
# the U-Net whose speed goes with the checkpoint's errors, and the size it was trained at
ARCHITECTURE, NATIVE = "SD 1.x", 512
# by method, error and speed-up
Trade = dict[str, tuple[float, float]]


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


def draw(store: Store, path: Path) -> bool:
    """One panel for each enlargement; returns whether there are numbers for one."""
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
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small", loc="best")
    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
    return True


def _draw_trade(axes: Any, trade: Trade) -> None:
    """The two curves, the presets and the peers; errors as ratios to the paper's."""
    places = {name: (error / trade[PAPER][0], speed) for name, (error, speed) in trade.items()}
    for (label, names), color in zip(curves(trade).items(), (PAPERS, OURS)):
        # a single point is no curve
        if len(names) > 1:
            x, y = zip(*(places[name] for name in names))
            axes.plot(x, y, ".-", color=color, alpha=0.7, label=label)
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
