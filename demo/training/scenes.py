"""Compose captioned scenes: one emoji subject on a drawn background of random hue."""

from __future__ import annotations

import colorsys
import random
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw
from tqdm import tqdm

PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"
CACHE = Path(__file__).parent / ".cache"
# by subject, the code point of its emoji; simple shapes of very different colours
SUBJECTS = {
    "fox": "1f98a",
    "frog": "1f438",
    "penguin": "1f427",
    "mushroom": "1f344",
    "whale": "1f433",
    "pig": "1f437",
}
# background -> how the caption names it
BACKGROUNDS = {
    "beach": "on a beach",
    "night": "in the night",
    "meadow": "in a meadow",
    "snow": "in the snow",
}
TEMPLATES = ("{0}", "{0}", "a picture of {0}", "an image of {0}")
OVERSAMPLE = 2


@cache
def subject_art(name: str) -> Image.Image:
    """The picture of a subject, cropped; the package comes from the npm registry, once."""
    folder = CACHE / "art" / "package" / "assets"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", PACKAGE], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(CACHE.glob("lobehub-fluent-emoji-3d-*.tgz"))) as tar:
            tar.extractall(CACHE / "art", filter="data")
    picture = Image.open(folder / f"{SUBJECTS[name]}.webp").convert("RGBA")
    return picture.crop(picture.getchannel("A").getbbox())


def scene_pool(count: int, seed: int, size: int = 128) -> tuple[torch.Tensor, list[str]]:
    """Compose scenes; returns bytes [count, 3, size, size] and their captions."""
    pictures = torch.empty(count, 3, size, size, dtype=torch.uint8)
    captions = []
    for index in tqdm(range(count), desc="scenes", mininterval=10):
        picture, caption = compose(random.Random(seed * 1_000_003 + index), size)
        pictures[index] = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        captions.append(caption)
    return pictures, captions


def to_unit(pictures: torch.Tensor) -> torch.Tensor:
    """Bytes to floats in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def caption_of(subject: str, background: str, template: str = "{0}") -> str:
    """The caption of a scene, such as "a fox on a beach"."""
    return template.format(f"a {subject} {BACKGROUNDS[background]}")


def compose(rng: random.Random, size: int) -> tuple[Image.Image, str]:
    """Draw one random scene of the given side in pixels; returns it and its caption."""
    subject = rng.choice(list(SUBJECTS))
    background = rng.choice(list(BACKGROUNDS))
    side = size * OVERSAMPLE
    canvas = _DRAWERS[background](rng, side)
    _place_subject(rng, canvas, subject)
    if rng.random() < 0.5:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = canvas.resize((size, size), Image.Resampling.LANCZOS)
    return image, caption_of(subject, background, rng.choice(TEMPLATES))


def _place_subject(rng: random.Random, canvas: Image.Image, subject: str) -> None:
    side = canvas.width
    art = subject_art(subject)
    scale = side * rng.uniform(0.48, 0.64) / max(art.size)
    art = art.resize(
        (round(art.width * scale), round(art.height * scale)), Image.Resampling.LANCZOS
    )
    x = round(side * (0.5 + rng.uniform(-0.12, 0.12)) - art.width / 2)
    y = round(side * rng.uniform(0.84, 0.92) - art.height)
    canvas.paste(art, (x, y), art)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _disc(
    draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: tuple[int, ...] | int
) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _gradient(side: int, top: tuple[int, ...], bottom: tuple[int, ...]) -> Image.Image:
    mask = Image.linear_gradient("L").resize((side, side))
    return Image.composite(
        Image.new("RGB", (side, side), bottom), Image.new("RGB", (side, side), top), mask
    )


def _ground(rng: random.Random, canvas: Image.Image, colour: tuple[int, ...], level: float) -> None:
    """A hill of one colour whose rim is an arc of a wide ellipse."""
    side = canvas.width
    rise = rng.uniform(0.02, 0.08) * side
    top = level * side
    box = (-side * 0.7, top - rise, side * 1.7, top + side * 1.6)
    ImageDraw.Draw(canvas).ellipse(box, fill=colour)


def _beach(rng: random.Random, side: int) -> Image.Image:
    hue = rng.uniform(0.50, 0.60)
    canvas = _gradient(side, _colour(hue, 0.45, 0.98), _colour(hue, 0.12, 1.0))
    draw = ImageDraw.Draw(canvas)
    horizon = side * rng.uniform(0.42, 0.50)
    shore = side * rng.uniform(0.64, 0.70)
    draw.rectangle((0, horizon, side, side), fill=_colour(hue + 0.01, 0.75, 0.78))
    draw.rectangle((0, shore - side * 0.03, side, side), fill=(240, 250, 252))
    draw.rectangle((0, shore, side, side), fill=_colour(rng.uniform(0.09, 0.13), 0.42, 0.96))
    x, y = side * rng.uniform(0.12, 0.30), side * rng.uniform(0.12, 0.2)
    _disc(draw, x, y, side * 0.09, (255, 226, 92))
    return canvas


def _night(rng: random.Random, side: int) -> Image.Image:
    hue = rng.uniform(0.55, 0.80)
    canvas = _gradient(side, _colour(hue, 0.80, 0.16), _colour(hue, 0.70, 0.42))
    draw = ImageDraw.Draw(canvas)
    for _ in range(14):
        x, y = side * rng.random(), side * rng.uniform(0.02, 0.70)
        _disc(draw, x, y, side * rng.uniform(0.010, 0.018), (255, 250, 225))
    _moon(rng, canvas)
    _ground(rng, canvas, _colour(hue, 0.75, 0.12), 0.80)
    return canvas


def _moon(rng: random.Random, canvas: Image.Image) -> None:
    side = canvas.width
    radius = round(side * 0.10)
    x, y = side * rng.uniform(0.12, 0.26), side * rng.uniform(0.12, 0.2)
    mask = Image.new("L", canvas.size, 0)
    _disc(ImageDraw.Draw(mask), x, y, radius, 255)
    bite = ImageChops.offset(mask, round(radius * 0.7), -round(radius * 0.3))
    canvas.paste((255, 244, 190), mask=ImageChops.subtract(mask, bite))


def _meadow(rng: random.Random, side: int) -> Image.Image:
    hue = rng.uniform(0.22, 0.40)
    sky = rng.uniform(0.52, 0.60)
    canvas = _gradient(side, _colour(sky, 0.50, 0.98), _colour(sky, 0.10, 1.0))
    _clouds(rng, canvas)
    _ground(rng, canvas, _colour(hue, 0.62, 0.80), 0.50)
    _ground(rng, canvas, _colour(hue, 0.68, 0.66), 0.66)
    draw = ImageDraw.Draw(canvas)
    petals = _colour(rng.random(), 0.45, 1.0)
    for _ in range(9):
        x, y = side * rng.random(), side * rng.uniform(0.72, 0.97)
        _disc(draw, x, y, side * 0.02, petals)
    return canvas


def _clouds(rng: random.Random, canvas: Image.Image) -> None:
    side = canvas.width
    draw = ImageDraw.Draw(canvas)
    x, y = side * rng.uniform(0.1, 0.35), side * rng.uniform(0.12, 0.22)
    for dx, dy, radius in ((0, 0, 0.06), (0.08, -0.02, 0.075), (0.16, 0, 0.06)):
        _disc(draw, x + dx * side, y + dy * side, radius * side, (255, 255, 255))


def _snow(rng: random.Random, side: int) -> Image.Image:
    hue = rng.uniform(0.52, 0.72)
    canvas = _gradient(side, _colour(hue, 0.42, 0.72), _colour(hue, 0.16, 0.92))
    draw = ImageDraw.Draw(canvas)
    for centre, height in ((rng.uniform(0.1, 0.35), 0.34), (rng.uniform(0.65, 0.9), 0.40)):
        _pine(draw, side, centre, height, _colour(hue - 0.12, 0.45, 0.42))
    _ground(rng, canvas, _colour(hue, 0.05, 0.99), 0.68)
    for _ in range(16):
        x, y = side * rng.random(), side * rng.uniform(0.0, 0.66)
        _disc(draw, x, y, side * rng.uniform(0.012, 0.02), (255, 255, 255))
    return canvas


def _pine(
    draw: ImageDraw.ImageDraw, side: int, centre: float, height: float, colour: tuple[int, ...]
) -> None:
    foot = 0.74
    for part in range(3):
        top = foot - height + part * height * 0.24
        half = height * (0.18 + 0.09 * part)
        base = top + height * 0.40
        points = [(centre, top), (centre - half, base), (centre + half, base)]
        draw.polygon([(x * side, y * side) for x, y in points], fill=colour)


_DRAWERS = {"beach": _beach, "night": _night, "meadow": _meadow, "snow": _snow}
