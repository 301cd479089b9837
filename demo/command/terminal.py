"""The command's output on the terminal: the progress bar and the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.comparison.compare import Comparison, OnProgress, Result

MIB = 2**20


@contextmanager
def progress_bar(console: Console) -> Iterator[OnProgress]:
    """A bar over all steps; yields compare()'s `on_progress`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Starting", total=None)
        yield lambda title, done, total: bar.update(
            task, description=title, completed=done, total=total
        )


def table(comparison: Comparison) -> Table:
    """One row for each method, in 80 columns."""
    grid = Table(box=None, pad_edge=False)
    grid.add_column("method", no_wrap=True)
    for heading in ("s/step", "s in all", "faster", "MiB", "keys", "MSE", "PSNR", "detail"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for result in comparison.results:
        grid.add_row(*_cells(result))
    return grid


def _cells(result: Result) -> list[str]:
    tokens, keys = result.largest_level
    return [
        result.method.title,
        f"{result.step_seconds:.3f}",
        f"{result.seconds:.2f}",
        _number(result.step_speedup, "{:.2f}×"),
        f"{result.peak_memory / MIB:,.0f}",
        f"{keys:.0f}/{tokens}",
        _number(result.mse, "{:.1e}"),
        _number(result.psnr, "{:.1f}"),
        _number(result.high_frequency_ratio, "{:.0%}"),
    ]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
