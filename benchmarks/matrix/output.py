"""The matrix as one table, a map, and a list of the cells above the paper's error."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy

from benchmarks.matrix.measure import ERROR, IDENTICAL
from benchmarks.matrix.picture import PAPER, PRESETS
from benchmarks.output import cells
from benchmarks.output.tables import table
from benchmarks.running.store import Store

# in the map, colours go from this ratio to its inverse
FAR = 8
INCHES, DPI = 0.32, 110

# a column of the table: a preset with a number of steps from a denoising strength
Column = tuple[str, str, str]
Row = tuple[str, str, str]
Pair = tuple[list[float], list[float]]
# of a preset whose pictures are the paper's own, by the rule
AS_PAPERS: Pair = ([1.0], [1.0])
Found = dict[Row, dict[Column, Pair]]


def ratios(store: Store, part: str) -> Found:
    """By (host, sampler, schedule) and column, a preset's errors and the paper's, same seeds."""
    found: Found = {}
    points = store.under(part)
    for (host, sampler, schedule, steps, strength, preset), point in points.items():
        papers = points.get((host, sampler, schedule, steps, strength, PAPER), {}).get(ERROR, [])
        seeds = min(len(point.get(ERROR, [])), len(papers))
        if preset != PAPER and (seeds or point.get(IDENTICAL)):
            row = found.setdefault((host, sampler, schedule), {})
            pair = point.get(ERROR, [])[:seeds], papers[:seeds]
            row[preset, steps, strength] = AS_PAPERS if point.get(IDENTICAL) else pair
    return found


def all_tables(rows: Found) -> dict[str, str]:
    """Markdown tables by name, for docs/measurements."""
    found = {"matrix_summary": summary(rows), "matrix_above": above(rows)}
    return found | {"matrix_cells": whole(rows)}


def whole(rows: Found) -> str:
    """The table of all cells: errors over the paper's, with intervals where there are seeds."""
    columns = _columns(rows)
    head = ["host", "sampler", "schedule", *(_head(column) for column in columns)]
    lines = [
        [*row, *(_ratio(row_of[column]) if column in row_of else "" for column in columns)]
        for row, row_of in rows.items()
    ]
    return table(head, lines) if lines else ""


def above(rows: Found) -> str:
    """The list of cells whose error is above the paper's, the worst first."""
    # presets of the same factors and phases share a line
    found: dict[tuple[float, str, ...], list[str]] = {}
    for row, row_of in rows.items():
        for (preset, steps, strength), (errors, papers) in row_of.items():
            ratio = sum(errors) / sum(papers)
            if round(ratio, 2) > 1:
                seeds = f"{sum(map(operator.gt, errors, papers))} of {len(errors)}"
                line = *row, steps, strength, _ratio((errors, papers)), seeds
                found.setdefault((ratio, *line), []).append(preset)
    head = "host|sampler|schedule|steps|strength|error over the paper's|seeds above|presets"
    lines = [[*line, ", ".join(presets)] for (_, *line), presets in sorted(found.items())[::-1]]
    return table(head.split("|"), lines) if lines else "No cell is above 1.00."


def summary(rows: Found) -> str:
    """By host and column: how many cells, their middle one, the worst, and how many above 1."""
    found: dict[tuple[str, Column], list[float]] = {}
    for (host, _, _), row in rows.items():
        for column, (errors, papers) in row.items():
            found.setdefault((host, column), []).append(sum(errors) / sum(papers))
    head = ["host", "preset", "cells", "median", "worst", "above 1.00"]
    lines = [
        [
            host,
            _head(column),
            str(len(values)),
            f"{numpy.median(values):.2f}",
            f"{max(values):.2f}",
            str(sum(round(value, 2) > 1 for value in values)),
        ]
        for (host, column), values in sorted(found.items())
    ]
    return table(head, lines) if lines else ""


def draw(rows: Found, folder: Path, name: str) -> list[Path]:
    """One map for each host: samplers by schedules, one panel for each column of the table."""
    drawn = []
    for host in dict.fromkeys(host for host, _, _ in rows):
        of_host = {row[1:]: found for row, found in rows.items() if row[0] == host}
        path = folder / f"{name}-{host.lower()}.png"
        _draw(of_host, path)
        drawn.append(path)
    return drawn


def _draw(rows: dict[tuple[str, str], dict], path: Path) -> None:
    samplers = list(dict.fromkeys(sampler for sampler, _ in rows))
    schedules = list(dict.fromkeys(schedule for _, schedule in rows))
    columns = _columns(rows)
    size = (2.2 + len(columns) * (len(schedules) + 1) * INCHES, 2 + len(samplers) * INCHES * 0.75)
    figure, panels = plt.subplots(1, len(columns), figsize=size, sharey=True, squeeze=False)
    for panel, column in zip(panels[0], columns, strict=True):
        values = numpy.full((len(samplers), len(schedules)), numpy.nan)
        for (sampler, schedule), row in rows.items():
            if column in row:
                errors, papers = row[column]
                ratio = max(sum(errors) / sum(papers), 1e-9)
                values[samplers.index(sampler), schedules.index(schedule)] = math.log2(ratio)
        limit = math.log2(FAR)
        image = panel.imshow(values, cmap="RdYlGn_r", vmin=-limit, vmax=limit, aspect="auto")
        panel.set_facecolor("lightgray")
        panel.set_title(_head(column), fontsize=9)
        panel.set_xticks(range(len(schedules)), schedules, rotation=90, fontsize=8)
        panel.set_yticks(range(len(samplers)), samplers, fontsize=8)
    bar = figure.colorbar(image, ax=panels, fraction=0.02, pad=0.01)
    ticks = numpy.arange(-limit, limit + 1)
    bar.set_ticks(ticks, labels=[f"{2.0**tick:g}" for tick in ticks])
    bar.set_label("error over the paper's (gray: not measured)")
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


def _columns(rows: dict) -> Sequence[Column]:
    found = {column for row in rows.values() for column in row}
    return sorted(found, key=lambda it: (it[2], int(it[1]), PRESETS.index(it[0])))


def _head(column: Column) -> str:
    preset, steps, strength = column
    return f"{preset}, {steps} steps, {strength}"


def _ratio(pair: Pair) -> str:
    return "identical" if pair is AS_PAPERS else cells.ratio_of_means(*pair, 2)
