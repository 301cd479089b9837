"""Measure cells, seed by seed; what was measured is kept, so that a run can be resumed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.matrix.cell import Cell, Host
from benchmarks.matrix.picture import PAPER, settings_of
from benchmarks.matrix.treatment import treatments
from benchmarks.matrix.weights import Errors, foretold
from benchmarks.running.bench import Bench

PART, FORETOLD = "measured", "foretold"
ERROR, IDENTICAL = "latent_mse", "identical"
# how many evaluations they make depends on the picture
ADAPTIVE = ("dpm_adaptive",)


def measure(
    bench: Bench,
    host: Host,
    cells: Sequence[Cell],
    presets: Sequence[str],
    seeds: int,
    latents: Path,
) -> None:
    """The squared errors of the latents by each preset, for seeds 0 and on.

    A cell that cannot be sampled, or not to finite numbers, is noted and left out. What its rule
    makes the same picture is sampled once; the paper's own cell not at all.

    Args:
        latents: a folder for dense latents, which a later run takes from there.
    """
    task = bench.progress.add_task(host.name, total=len(cells) * seeds)
    for seed in range(seeds):
        for cell in cells:
            if bench.out_of_time:
                return
            bench.progress.update(task, description=f"{host.name} {', '.join(cell.key)}")
            if not _is_left_out(bench, host, cell):
                _measure_cell(bench, host, cell, seed, presets, latents)
            bench.progress.advance(task)


def foretell(
    bench: Bench, host: Any, cells: Sequence[Cell], presets: Sequence[str], errors: Path
) -> None:
    """The same by the samplers' weights, see `weights`; of adaptive samplers nothing is foretold.

    Args:
        errors: a file for the errors of single evaluations.
    """
    known = Errors(errors)
    task = bench.progress.add_task(f"{host.name} foretold", total=len(cells))
    for cell in cells:
        for preset in presets:
            point = bench.store.point(FORETOLD, host.name, *cell.key, preset)
            if cell.sampler not in ADAPTIVE:
                point[ERROR] = [foretold(host, cell, preset, known)]
        bench.store.point(FORETOLD, host.name, *cell.key, PAPER)[ERROR] = [1.0]
        bench.progress.advance(task)


def _measure_cell(
    bench: Bench, host: Host, cell: Cell, seed: int, presets: Sequence[str], folder: Path
) -> None:
    points = {
        preset: bench.store.point(PART, host.name, *cell.key, preset)
        for preset in (PAPER, *presets)
    }
    if all(point.get(IDENTICAL) or len(point.get(ERROR, [])) > seed for point in points.values()):
        return
    try:
        treated = treatments(host, cell, points)
        if all(treatment == treated[PAPER] for treatment in treated.values()):
            for point in points.values():
                point[IDENTICAL] = True
            return
        known = {
            treated[preset]: point[ERROR][seed]
            for preset, point in points.items()
            if len(point.setdefault(ERROR, [])) > seed
        }
        for preset, point in points.items():
            if len(point[ERROR]) == seed:
                if treated[preset] not in known:
                    dense = _dense(host, cell, seed, folder)
                    sampled = host.sample(cell, seed, settings_of(preset))
                    error = float((sampled - dense).square().mean())
                    if not math.isfinite(error):
                        raise ArithmeticError("its latents are not finite numbers")
                    known[treated[preset]] = error
                point[ERROR].append(known[treated[preset]])
                point[IDENTICAL] = preset != PAPER and treated[preset] == treated[PAPER]
    except Exception as error:
        # other people's samplers: some need what a host's page would not let pass
        bench.store.data["notes"][_note(host, cell)] = f"{type(error).__name__}: {error}"
    bench.store.save()


def _dense(host: Host, cell: Cell, seed: int, folder: Path) -> torch.Tensor:
    path = folder / host.name / ("-".join((*cell.key, str(seed))).replace("/", "_") + ".pt")
    if path.exists():
        return torch.load(path, weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense = host.sample(cell, seed, None)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dense.clone(), path)
    return dense


def _note(host: Host, cell: Cell) -> str:
    return " | ".join((PART, host.name, *cell.key))


def _is_left_out(bench: Bench, host: Host, cell: Cell) -> bool:
    return _note(host, cell) in bench.store.data["notes"]
