"""Fetch the emoji art from the npm registry into an ignored cache and open single pictures."""

from __future__ import annotations

import subprocess
import tarfile
from functools import cache
from pathlib import Path

from PIL import Image

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


def fetch_art() -> Path:
    """Return the folder of pictures, downloading and unpacking the package once."""
    folder = CACHE / "art" / "package" / "assets"
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", PACKAGE], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
    archive = next(CACHE.glob("lobehub-fluent-emoji-3d-*.tgz"))
    with tarfile.open(archive) as tar:
        tar.extractall(CACHE / "art", filter="data")
    return folder


@cache
def subject_art(name: str) -> Image.Image:
    """The picture of a subject, cropped to what is not transparent."""
    picture = Image.open(fetch_art() / f"{SUBJECTS[name]}.webp").convert("RGBA")
    return picture.crop(picture.getchannel("A").getbbox())
