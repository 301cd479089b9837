"""A picture before and after: ToDo changes it a little."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

from comfyui_host import ComfyHost
from graphs import SAVED_IMAGE, Step, hires, with_image
from PIL import Image

from comparison.metrics import psnr
from demo.output import side_by_side

BALANCED: Step = ("ToDo", {"threshold": 16})
PROMPT = "a mushroom in the night"
# seen: 38 dB
LEAST_PSNR = 30


def picture(host: ComfyHost, *chain: Step) -> Image.Image:
    """A hires fix from 128 to 384 pixels."""
    graph = with_image(hires(*chain, scale=3.0, steps=20, seed=4))
    graph["sampler"]["inputs"].update(steps=20, seed=4)
    graph["positive"]["inputs"]["text"] = PROMPT
    return Image.open(BytesIO(host.file(host.run(graph), SAVED_IMAGE, "images"))).convert("RGB")


def test_before_and_after(comfyui: ComfyHost, tmp_path: Path) -> None:
    before, after = picture(comfyui), picture(comfyui, BALANCED)
    difference = psnr(after, before)
    assert LEAST_PSNR < difference < 100
    folder = Path(os.environ.get("TODO_SCREENSHOTS", tmp_path))
    pair = [
        (before, "without ToDo", []),
        (after, "with ToDo, balanced", [f"PSNR {difference:.1f} dB"]),
    ]
    side_by_side(pair).save(folder / "comfyui-pair.png")
