"""Draws docs/images/pair.png: one picture of a running WebUI without ToDo and with it, with times.

    python docs/pair_picture.py http://127.0.0.1:7860 --prompt "a mushroom in the night" --seed 4

The WebUI runs with --api, this extension and the demo's checkpoint.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
import time
from pathlib import Path
from typing import Any

import requests
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from demo.output import side_by_side  # noqa: E402  needs the path above

ROUNDS = 2


def generate(url: str, request: dict[str, Any], todo: dict[str, Any]) -> Image.Image:
    """One picture with those settings of ToDo."""
    body = {**request, "alwayson_scripts": {"ToDo": {"args": [todo]}}}
    answer = requests.post(f"{url}/sdapi/v1/txt2img", json=body)
    answer.raise_for_status()
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0])))


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
    settings = {
        "without ToDo": {"enabled": False},
        f"with ToDo, {asked.preset}": {"preset": asked.preset, "threshold": asked.native // 8},
    }
    # in turns, a first time to warm up; what else the machine does lengthens some of them
    pictures, seconds = {}, {title: float("inf") for title in settings}
    for turn in range(ROUNDS + 1):
        for title, todo in settings.items():
            begun = time.perf_counter()
            pictures[title] = generate(asked.url, request, todo)
            if turn:
                seconds[title] = min(seconds[title], time.perf_counter() - begun)
    shown = [(pictures[title], title, [f"{seconds[title]:.1f} s in all"]) for title in settings]
    side_by_side(shown).save(ROOT / "docs" / "images" / "pair.png")
    print(", ".join(f"{title}: {each:.2f} s" for title, each in seconds.items()))


if __name__ == "__main__":
    main()
