"""What a comparison shows and writes: pictures side by side, a table, PNG files, the figures."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib import font_manager
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps
from rich.table import Table

from comparison.recipe import Recipe
from demo.compare import Result

CELL, GAP = 512, 12
TITLE_SIZE, LINE_SIZE, LEADING = 22, 16, 6
DIFFERENCE_TIMES = 8
DIFFERENCES = {"mse": "{:.1e}", "psnr": "{:.1f}", "detail": "{:.0%}"}


def side_by_side(pictures: Sequence[tuple[Image.Image, str, Sequence[str]]]) -> Image.Image:
    """All pictures in one, each above its title and lines. Large ones are scaled down."""
    shown = [_fitted(picture) for picture, _, _ in pictures]
    below = GAP + max(picture.height for picture in shown) + 8
    rows = max(len(lines) for _, _, lines in pictures)
    height = below + 2 * TITLE_SIZE + rows * (LINE_SIZE + LEADING)
    sheet = Image.new("RGB", (GAP + len(shown) * (CELL + GAP), height), "white")
    draw, path = ImageDraw.Draw(sheet), font_manager.findfont("DejaVu Sans")
    title_font, line_font = (ImageFont.truetype(path, size) for size in (TITLE_SIZE, LINE_SIZE))
    for index, (picture, (_, title, lines)) in enumerate(zip(shown, pictures)):
        left = GAP + index * (CELL + GAP)
        sheet.paste(picture, (left + (CELL - picture.width) // 2, GAP))
        draw.text((left, below), title, "#111111", title_font)
        at = (left, below + TITLE_SIZE + 10)
        draw.multiline_text(at, "\n".join(lines), "#444444", line_font, spacing=LEADING)
    return sheet


def _fitted(picture: Image.Image) -> Image.Image:
    # a small picture is enlarged without smoothing, so that its pixels stay visible
    small = max(picture.size) < CELL
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return ImageOps.contain(picture, (CELL, CELL), how)


def difference(picture: Image.Image, baseline: Image.Image) -> Image.Image:
    """Where and by how much two pictures differ, brightened DIFFERENCE_TIMES times."""
    return ImageChops.difference(picture, baseline).point(
        lambda value: min(255, DIFFERENCE_TIMES * value)
    )


def caption(result: Result) -> list[str]:
    """The lines under a picture: seconds, speed-up, keys, differences."""
    speedup = f", {result.step_speedup:.2f}× as fast" if result.step_speedup else ""
    level = result.largest_level
    lines = [
        f"{result.step_seconds:.3f} s a step{speedup}",
        f"{result.seconds:.1f} s in all",
        f"{level.keys:,.0f} of {level.tokens:,} keys in the largest layers",
    ]
    if differences := result.differences:
        lines.append("PSNR {psnr:.1f} dB, fine detail {detail:.0%}".format(**differences))
    return lines


def table(results: Sequence[Result]) -> Table:
    """One row for each method, in 80 columns."""
    grid = Table(box=None, pad_edge=False)
    grid.add_column("method", no_wrap=True)
    for heading in ("s/step", "s in all", "faster", "MiB", "keys", "MSE", "PSNR", "detail"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        grid.add_row(
            result.method.title,
            f"{result.step_seconds:.3f}",
            f"{result.seconds:.2f}",
            _number(result.step_speedup, "{:.2f}×"),
            f"{result.peak_memory / 2**20:,.0f}",
            f"{result.largest_level.keys:.0f}/{result.largest_level.tokens}",
            *(_number(result.differences.get(name), form) for name, form in DIFFERENCES.items()),
        )
    return grid


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def write(
    recipe: Recipe, results: Sequence[Result], folder: Path, model: str, where: dict[str, Any]
) -> list[Path]:
    """Write each picture, all side by side, and the figures as JSON; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    sheet = side_by_side([(each.image, each.method.title, caption(each)) for each in results])
    pictures = {folder / f"{each.method.name}.png": each.image for each in results}
    pictures[folder / "side-by-side.png"] = sheet
    for path, picture in pictures.items():
        picture.save(path, optimize=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    figures = {
        "model": model,
        "recipe": dataclasses.asdict(recipe),
        "machine": {**where, "threads": torch.get_num_threads(), **versions},
        "results": [result.to_dict() for result in results],
    }
    path = folder / "comparison.json"
    path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return [*pictures, path]
