"""Draws docs/images/pair.png: one picture of a running WebUI without ToDo and with it, with times.

    python docs/pair_picture.py http://127.0.0.1:7860 --prompt "a mushroom in the night" --seed 4

The WebUI runs with --api, this extension and the demo's checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.parts.webui import WebUI  # noqa: E402  needs the path above
from demo.output import side_by_side  # noqa: E402  needs the path above

ROUNDS = 2


@dataclasses.dataclass
class Made:
    """A picture, and the shortest of its times in seconds."""

    title: str
    todo: dict[str, Any] | None
    picture: Image.Image | None = None
    seconds: float = float("inf")


def make(webui: WebUI, request: dict[str, Any], made: list[Made]) -> None:
    """Each in turn, a first time to warm up; what else the machine does lengthens some of them."""
    for turn in range(ROUNDS + 1):
        for each in made:
            begun = time.perf_counter()
            each.picture = webui.generate(each.todo, **request)
            if turn:
                each.seconds = min(each.seconds, time.perf_counter() - begun)


def draw(made: list[Made], target: Path) -> None:
    """Side by side, with the seconds of the whole generation below the names."""
    shown = [
        (each.picture, each.title, [f"{each.seconds:.1f} s in all"])
        for each in made
        if each.picture is not None
    ]
    side_by_side(shown).save(target)


def main() -> None:
    """Ask, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--native", type=int, default=128, help="the checkpoint's size in pixels")
    parser.add_argument("--enlarge", type=float, default=3, help="how many times by hires fix")
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    request = {
        "prompt": asked.prompt,
        "seed": asked.seed,
        "steps": asked.steps,
        "width": asked.native,
        "height": asked.native,
        "enable_hr": True,
        "hr_scale": asked.enlarge,
        "hr_upscaler": "Lanczos",
        "denoising_strength": 0.4,
        "cfg_scale": 3,
    }
    todo = {"preset": asked.preset, "threshold": asked.native // 8}
    made = [Made("without ToDo", None), Made(f"with ToDo, {asked.preset}", todo)]
    make(WebUI(asked.url), request, made)
    draw(made, ROOT / "docs" / "images" / "pair.png")
    print(", ".join(f"{each.title}: {each.seconds:.2f} s" for each in made))


if __name__ == "__main__":
    main()
