"""The command `python -m benchmarks.matrix.caches`: ToDo beside step caches, in ComfyUI.

A step cache leaves out evaluations of the U-Net, ToDo makes those that run faster. For each size
this finds the error and the cost of each cache with each preset, and of fewer steps with each.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import torch

from benchmarks.matrix.cell import Cell
from benchmarks.matrix.comfyui import ComfyUI
from benchmarks.matrix.picture import NATIVE, PRESETS, conditions, settings_of, start
from benchmarks.output.tables import table
from benchmarks.running.bench import shown_progress
from benchmarks.running.store import Store
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.rates import typical
from lib_todo.cost.speedup import Pass
from lib_todo.plan import PIXELS_PER_LATENT, with_papers_factors

PART, DENSE, NO_CACHE = "caches", "dense", "no cache"
PLOT = "caches.png"
SAMPLED, STEPS, STRENGTH = ("dpmpp_2m", "karras"), 20, 0.6
FEWER_STEPS = (7, 10, 14)
SIZES = (1, 2, 3)
# ComfyUI's node and the change that it lets pass, or Spectrum and its window (one step of so many)
CACHES: dict[str, tuple[str, float] | None] = {
    NO_CACHE: None,
    "EasyCache 0.1": ("EasyCacheNode", 0.1),
    "EasyCache 0.2": ("EasyCacheNode", 0.2),
    "LazyCache 0.1": ("LazyCacheNode", 0.1),
    "LazyCache 0.2": ("LazyCacheNode", 0.2),
    "Spectrum 2": ("Spectrum", 2),
    "Spectrum 3": ("Spectrum", 3),
}


def cached(model: Any, cache: tuple[str, float] | None) -> Any:
    """A clone of ComfyUI's model with a cache; all else as it is by default."""
    if cache is None:
        return model
    node, value = cache
    if node == "Spectrum":
        from lib_spectrum.forecaster import SpectrumNode

        # weight, degree, regularisation; the window and its growth; whole steps at first, the end
        return SpectrumNode.patch(model, STEPS, 0.25, 6, 0.5, value, 0, 6, 0.9)
    from comfy_extras import nodes_easycache

    # the part of the sampling in which steps may be left out
    return getattr(nodes_easycache, node).execute(model, value, 0.15, 0.95, False).args[0]


def keys_by_evaluation(unet: Any) -> list[int]:
    """A list that gets the keys of the first level in each evaluation that the U-Net computes."""
    seen: list[int] = []
    first = unet.input_blocks[1][1].transformer_blocks[0].attn1.to_k
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    return seen


def cost(preset: str, times: int, keys: list[int]) -> float:
    """What these evaluations cost, in dense ones of SD 1.x at so many times its trained size.

    By the cost model, with the rates of a fast GPU, and without the time of Python.
    """
    rates = dataclasses.replace(typical("cuda")[0], launch=0)
    # SD 1.x's trained size, enlarged
    size, trained = (512 * times, 512 * times), NATIVE // PIXELS_PER_LATENT

    def of_one(kept: int) -> float:
        if kept == (trained * times) ** 2:
            return 1.0
        settings = Settings.from_preset(preset)
        # the paper's factor brings the grid back to the trained one
        stage = with_papers_factors(settings) if kept == trained**2 else settings
        ours, dense = (
            max(Pass(SHAPES["SD 1.x"], size).seconds(each, rates)) for each in (stage, None)
        )
        return ours / dense

    return sum(map(of_one, keys))


def measure(host: ComfyUI, store: Store, seeds: int, caches: list[str]) -> None:
    """Errors over the variance of the dense latents, and costs over dense; a run is resumed."""
    plan = [(cache, preset, STEPS) for cache in caches for preset in (DENSE, *PRESETS)]
    plan += [(NO_CACHE, preset, steps) for steps in FEWER_STEPS for preset in (DENSE, *PRESETS)]
    keys = keys_by_evaluation(host.model.model.diffusion_model)
    with shown_progress() as progress:
        task = progress.add_task("caches", total=len(SIZES) * seeds * len(plan))
        for times in SIZES:
            for seed in range(seeds):
                dense: torch.Tensor | None = None
                for cache, preset, steps in plan:
                    point = store.point(PART, str(times), cache, preset, str(steps))
                    errors, costs = (point.setdefault(name, []) for name in ("error", "cost"))
                    if dense is None or len(errors) == seed:
                        model = host.patched(None if preset == DENSE else settings_of(preset))
                        model, cell = cached(model, CACHES[cache]), Cell(*SAMPLED, steps, STRENGTH)
                        keys.clear()
                        latents = host.sample_with(model, cell, start(seed, times), seed)
                        dense = latents if dense is None else dense
                        if len(errors) == seed:
                            error = (latents - dense).square().mean() / dense.var()
                            errors.append(float(error))
                            costs.append(cost(preset, times, keys) / STEPS)
                            store.save()
                    progress.advance(task)


def table_of(store: Store) -> str:
    """One row for each cache and preset: cost and error (in thousandths) by size."""
    rows: dict[tuple[str, ...], dict[str, dict[str, list[float]]]] = {}
    for (times, *how), point in store.under(PART).items():
        rows.setdefault(tuple(how), {})[times] = point
    head = ["cache", "preset", "steps"]
    head += [f"{times}×: {what}" for times in SIZES for what in ("cost", "error")]

    def of(point: dict[str, list[float]]) -> list[str]:
        error = 1000 * statistics.mean(point["error"])
        return [f"{statistics.mean(point['cost']):.2f}", f"{error:.2g}" if error else "0"]

    lines = [
        [*how, *(text for times in SIZES for text in of(by_size[str(times)]))]
        for how, by_size in rows.items()
    ]
    return table(head, lines) if lines else ""


def draw(store: Store, path: Path) -> None:
    """Error against cost, a panel for each size; below and to the left is better."""
    figure, panels = plt.subplots(
        1, len(SIZES), figsize=(13, 4.2), sharey=True, layout="constrained"
    )
    colours = dict(zip((DENSE, *PRESETS), ("black", "tab:red", "tab:green", "tab:blue", "orange")))
    marks = dict(zip(CACHES, ("o", "^", "v", "s", "D", "P", "X")))
    for panel, times in zip(panels, SIZES):
        for (cache, preset, steps), point in store.under(PART, str(times)).items():
            x, y = (statistics.mean(point[name]) for name in ("cost", "error"))
            if y:
                mark = marks[cache] if int(steps) == STEPS else "$" + steps + "$"
                panel.scatter(x, y, marker=mark, color=colours[preset], s=45)
        panel.set(title=f"{times}× the trained size", xlabel="cost, over dense")
        panel.set(yscale="log", xlim=(0, 1.05))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("error, over the variance of the latents")
    for name, colour in colours.items():
        panels[0].scatter([], [], color=colour, label=name)
    for name, mark in {**marks, "so many steps": "$10$"}.items():
        panels[0].scatter([], [], marker=mark, color="gray", label=name)
    figure.legend(loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, or go on with a run that was stopped; then print the table and draw the plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matrix.caches", description=__doc__)
    parser.add_argument("--comfyui", type=Path, required=True, help="its folder")
    parser.add_argument("--spectrum", type=Path, help="Forge Neo's folder sd_forge_spectrum")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("artifacts/caches"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    store = Store(args.out / "results.json")
    store.set_conditions(PART, **{**conditions(), "side": NATIVE})
    if args.spectrum:
        sys.path.append(str(args.spectrum))
    caches = [name for name in CACHES if args.spectrum or "Spectrum" not in name]
    with torch.inference_mode():
        measure(ComfyUI(args.comfyui), store, args.seeds, caches)
    draw(store, args.out / PLOT)
    sys.stdout.write(table_of(store) + "\n")


if __name__ == "__main__":
    main()
