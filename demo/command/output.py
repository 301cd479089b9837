"""The files that a comparison writes: each picture, all side by side, and the figures as JSON."""

from __future__ import annotations

import dataclasses
import json
import platform
from pathlib import Path
from typing import Any

import diffusers
import torch

from demo.comparison.compare import Comparison
from demo.comparison.pictures import caption, parameters, save_png, side_by_side

SIDE_BY_SIDE, FIGURES = "side-by-side.png", "comparison.json"


def write(comparison: Comparison, folder: Path, model: str, where: dict[str, Any]) -> list[Path]:
    """Write everything into `folder`, which is created if missing; returns the paths."""
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
    """Every figure, with the model, the recipe and the machine."""
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
