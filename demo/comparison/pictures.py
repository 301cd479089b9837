"""Pictures with captions side by side, and PNG files with their settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, ImageChops, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from demo.comparison.compare import Result
from demo.comparison.recipe import Recipe

FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
CELL = 512
GAP = 12
TITLE_SIZE, LINE_SIZE = 22, 16
DIFFERENCE_TIMES = 8
BACKGROUND, TITLE_COLOUR, LINE_COLOUR = "white", "#111111", "#444444"


def side_by_side(pictures: Sequence[tuple[Image.Image, str, Sequence[str]]]) -> Image.Image:
    """All pictures in one, each above its title and lines. Large ones are scaled down."""
    shown = [(_fitted(picture), title, lines) for picture, title, lines in pictures]
    height = max(picture.height for picture, _, _ in shown)
    text_height = 2 * TITLE_SIZE + max(len(lines) for _, _, lines in shown) * (LINE_SIZE + 6)
    sheet = Image.new(
        "RGB",
        (GAP + len(shown) * (CELL + GAP), GAP + height + text_height),
        BACKGROUND,
    )
    draw = ImageDraw.Draw(sheet)
    title_font, line_font = (ImageFont.truetype(FONT, size) for size in (TITLE_SIZE, LINE_SIZE))
    for index, (picture, title, lines) in enumerate(shown):
        left, top = GAP + index * (CELL + GAP), GAP
        sheet.paste(picture, (left + (CELL - picture.width) // 2, top))
        top += height + 8
        draw.text((left, top), title, TITLE_COLOUR, title_font)
        for row, line in enumerate(lines):
            y = top + TITLE_SIZE + 10 + row * (LINE_SIZE + 6)
            draw.text((left, y), line, LINE_COLOUR, line_font)
    return sheet


def _fitted(picture: Image.Image) -> Image.Image:
    scale = CELL / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    # a small picture is enlarged without smoothing, so that its pixels stay visible
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return picture.resize(size, how)


def difference(picture: Image.Image, baseline: Image.Image) -> Image.Image:
    """Where and by how much two pictures differ, brightened DIFFERENCE_TIMES times."""
    return ImageChops.difference(picture, baseline).point(
        lambda value: min(255, DIFFERENCE_TIMES * value)
    )


def caption(result: Result) -> list[str]:
    """The lines under a picture: seconds, speed-up, keys, differences."""
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


def parameters(recipe: Recipe, title: str, settings: dict[str, Any], model: str) -> str:
    """The settings as a text that the WebUI's PNG Info can read."""
    lines = [recipe.prompt]
    if recipe.negative_prompt:
        lines.append(f"Negative prompt: {recipe.negative_prompt}")
    pairs = {
        "Steps": recipe.steps,
        "CFG scale": recipe.guidance,
        "Seed": recipe.seed,
        "Size": f"{recipe.width}x{recipe.height}",
        "Model": json.dumps(model),
    }
    if recipe.first:
        pairs["First pass size"] = f"{recipe.first[0]}x{recipe.first[1]}"
        pairs["Denoising strength"] = recipe.strength
    pairs["Method"] = title
    pairs |= {f"{title} {name.replace('_', ' ')}": value for name, value in settings.items()}
    lines.append(", ".join(f"{name}: {value}" for name, value in pairs.items()))
    return "\n".join(lines)


def save_png(picture: Image.Image, path: Path, text: str) -> None:
    """Write a PNG with `text` as its parameters."""
    info = PngInfo()
    info.add_itxt("parameters", text) if not text.isascii() else info.add_text("parameters", text)
    picture.save(path, pnginfo=info, optimize=True)
