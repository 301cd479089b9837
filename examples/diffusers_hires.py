"""ToDo in diffusers: enlarge a picture without it, with the preset paper and with balanced.

    python examples/diffusers_hires.py --out enlarged.png

It runs offline on the small model in `demo/model`. For Stable Diffusion 1.x, add `--model` with its
name, `--size 512` and `--trained-grid 64`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image
from PIL import Image

from lib_todo import Settings, token_downsampling

OWN_MODEL = Path(__file__).resolve().parents[1] / "demo" / "model"


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(OWN_MODEL), help="a folder or a name on the hub")
    parser.add_argument("--prompt", default="a fox in a meadow")
    parser.add_argument("--size", type=int, default=128, help="trained size in pixels")
    parser.add_argument(
        "--trained-grid",
        type=int,
        default=16,
        help="its side in tokens",
    )
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("enlarged.png"))
    return parser.parse_args()


def enlarge(pipe: Any, picture: Image.Image, asked: argparse.Namespace) -> Image.Image:
    """The picture at twice its size, as hires fix does it."""
    large = picture.resize((2 * asked.size, 2 * asked.size), Image.Resampling.LANCZOS)
    return pipe(
        asked.prompt,
        image=large,
        strength=0.5,
        num_inference_steps=asked.steps,
        generator=torch.Generator().manual_seed(asked.seed),
    ).images[0]


def main() -> None:
    """Make the picture, enlarge it three times, and save the results side by side."""
    asked = arguments()
    pipe = AutoPipelineForText2Image.from_pretrained(asked.model)
    pipe.set_progress_bar_config(disable=True)
    picture = pipe(
        asked.prompt,
        height=asked.size,
        width=asked.size,
        num_inference_steps=asked.steps,
        generator=torch.Generator().manual_seed(asked.seed),
    ).images[0]
    image_pipe = AutoPipelineForImage2Image.from_pipe(pipe)
    image_pipe.set_progress_bar_config(disable=True)

    pictures = [enlarge(image_pipe, picture, asked)]
    for preset in ("paper", "balanced"):
        settings = Settings.from_preset(preset, threshold=asked.trained_grid)
        with token_downsampling(settings) as report:
            pictures.append(enlarge(image_pipe, picture, asked))
        print(f"{preset}: {report.line()}")

    sheet = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height))
    for place, enlarged in enumerate(pictures):
        sheet.paste(enlarged, (place * enlarged.width, 0))
    sheet.save(asked.out)
    print(f"{asked.out}: without ToDo, paper, balanced")


if __name__ == "__main__":
    main()
