"""What a comparison leaves behind: pictures, one side-by-side picture and a JSON file."""

from __future__ import annotations

import dataclasses
import json
import platform
from pathlib import Path
from typing import Any

import diffusers
import torch

from demo.compare import Comparison, Result
from demo.pictures import parameters, save_png, side_by_side

SIDE_BY_SIDE, FIGURES = "side-by-side.png", "comparison.json"


def write(comparison: Comparison, folder: Path, model: str, where: dict[str, Any]) -> list[Path]:
    """Write everything into `folder`, which is made if need be; gives the files' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe, written = comparison.recipe, []
    for result in comparison.results:
        path = folder / f"{result.method.name}.png"
        text = parameters(recipe, result.method.title, result.method.settings(), model)
        save_png(result.image, path, text)
        written.append(path)
    cells = [(result.image, result.method.title, caption(result)) for result in comparison.results]
    path = folder / SIDE_BY_SIDE
    save_png(side_by_side(cells), path, parameters(recipe, "Comparison", {}, model))
    written.append(path)
    path = folder / FIGURES
    path.write_text(json.dumps(figures(comparison, model, where), indent=2) + "\n", "utf-8")
    return [*written, path]


def figures(comparison: Comparison, model: str, where: dict[str, Any]) -> dict[str, Any]:
    """Everything in numbers, with what it was made of and by."""
    return {
        "model": model,
        "recipe": dataclasses.asdict(comparison.recipe),
        "machine": {
            **where,
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
        "results": [result.to_dict() for result in comparison.results],
    }


def caption(result: Result) -> list[str]:
    """The lines under a picture: seconds, speed-up, keys, difference."""
    speedup = f", {result.step_speedup:.2f}× as fast" if result.step_speedup else ""
    tokens, keys = result.largest_level
    lines = [
        f"{result.step_seconds:.3f} s a step{speedup}",
        f"{result.seconds:.1f} s in all",
        f"{keys:,.0f} of {tokens:,} keys in the largest layers",
    ]
    if result.psnr is not None:
        lines.append(f"PSNR {result.psnr:.1f} dB, fine detail {result.high_frequency_ratio:.0%}")
    return lines
