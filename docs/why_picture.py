"""Draws docs/images/why.png from the cost model: `python docs/why_picture.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib_todo.cost.attention import ARCHITECTURES, layer_costs, work_left  # noqa: E402  needs the path above
from lib_todo.settings import Settings  # noqa: E402

SIZES = range(512, 2049, 64)
INK, KEPT, LEFT_OUT = "#334155", "#f97316", "#e2e8f0"


def draw_grid(axes: Axes, side: int, factor: int, title: str) -> None:
    """A token grid in which the tokens of the lattice ::factor are marked."""
    for row in range(side):
        for column in range(side):
            kept = row % factor == 0 and column % factor == 0
            axes.add_patch(
                Rectangle((column, row), 0.86, 0.86, color=KEPT if kept else LEFT_OUT, lw=0)
            )
    axes.set(xlim=(-0.2, side), ylim=(side, -0.2), aspect="equal")
    axes.axis("off")
    axes.set_title(title, fontsize=10, color=INK)


def draw_work(axes: Axes) -> None:
    """The share of the self-attention work that is left, by image size."""
    for name in ARCHITECTURES:
        shares = [100 * work_left(layer_costs(name, size, size, Settings())) for size in SIZES]
        axes.step(SIZES, shares, where="mid", label=name, lw=2)
    axes.set(ylim=(0, 105), xlim=(512, 2048), xticks=[512, 768, 1024, 1536, 2048])
    axes.set_xlabel("image side, pixels")
    axes.set_title("self-attention work left, %\n(automatic factor)", fontsize=10, color=INK)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def main() -> None:
    """Write the picture."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), width_ratios=[1, 1, 1.3])
    draw_grid(axes[0], 16, 1, "queries: every token\nasks ...")
    draw_grid(axes[1], 16, 2, "keys and values: ... one in four\nanswers (factor 2)")
    draw_work(axes[2])
    figure.tight_layout()
    target = ROOT / "docs" / "images" / "why.png"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
