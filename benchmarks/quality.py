"""How far each setting's pictures are from dense ones, with a real checkpoint and the same seeds.

As hires fix makes a picture: a first pass at the checkpoint's own size, enlarged, then image to
image; only that second pass is done differently.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.bench import Bench
from benchmarks.peers import DENSE, HYPERTILE, TODO_BY
from benchmarks.tiles import tiled
from demo.metrics import high_frequency_ratio, psnr
from lib_todo import Settings, token_downsampling
from lib_todo.settings import METHODS

STEPS, STRENGTH, GUIDANCE = 16, 0.6, 3.0
SUBJECTS = ("a fox", "a frog", "a penguin", "a mushroom", "a whale", "a pig")
PLACES = ("on a beach", "in the night", "in a meadow", "in the snow")
TOME_RATIOS = (0.5, 0.75)
# the WebUI's default tile of 256 pixels is half of what SD 1.x was trained on
HYPERTILE_OF_NATIVE = 2
# by name, what holds a method on the pipeline and yields ToDo's report where there is one
Methods = dict[str, Callable[[], AbstractContextManager[Any]]]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A diffusers folder and the side in pixels it was trained at."""

    folder: Path
    native: int

    @property
    def threshold(self) -> int:
        """Its own grid's side in tokens."""
        return self.native // 8


def variants(threshold: int, enlargement: int) -> dict[str, Settings]:
    """What is compared at `enlargement` times the native size; deep layers pool from 3 on."""
    automatic = Settings(threshold=threshold)
    change = dataclasses.replace
    found = {f"ToDo {name}": change(automatic, method=name) for name in METHODS}
    if enlargement == 2:
        factors = (1.5, *TODO_BY.values())
        found |= {f"ToDo factor {f:g}": change(automatic, factor=f) for f in factors}
        found["ToDo, last 40% of steps dense"] = change(automatic, end=0.6)
        found["ToDo, first 40% of steps dense"] = change(automatic, start=0.4)
        found[f"ToDo threshold {threshold // 2}"] = change(automatic, threshold=threshold // 2)
    else:
        found["ToDo, deeper layers dense"] = change(automatic, deep_factor=1)
        found["ToDo factor 2"] = change(automatic, factor=2)
    return found


class Painter:
    """The checkpoint's pipelines; draws the same picture for the same seed."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

        self.native = checkpoint.native
        self.first = StableDiffusionPipeline.from_pretrained(
            checkpoint.folder, safety_checker=None, torch_dtype=torch.float32
        ).to(device)
        self.second = StableDiffusionImg2ImgPipeline(
            **self.first.components, requires_safety_checker=False
        )
        for pipe in (self.first, self.second):
            pipe.set_progress_bar_config(disable=True)

    def _common(self, seed: int) -> dict[str, Any]:
        subject = SUBJECTS[seed % len(SUBJECTS)]
        place = PLACES[seed // len(SUBJECTS) % len(PLACES)]
        return {
            "prompt": f"{subject} {place}",
            "num_inference_steps": STEPS,
            "guidance_scale": GUIDANCE,
            "generator": torch.Generator().manual_seed(seed),
        }

    def enlarged(self, seed: int, side: int) -> Image.Image:
        """The first pass, enlarged to `side` pixels."""
        small = self.first(**self._common(seed), width=self.native, height=self.native).images[0]
        return small.resize((side, side), Image.Resampling.LANCZOS)

    def latents(self, seed: int, start: Image.Image, report: Any = None) -> torch.Tensor:
        """The second pass; `report` is told the steps."""

        def on_step(pipe: Any, index: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if report is not None:
                report.progress(index + 1, pipe.num_timesteps)
            return tensors

        if report is not None:
            report.progress(0, 1)
        return self.second(
            **self._common(seed),
            image=start,
            strength=STRENGTH,
            output_type="latent",
            callback_on_step_end=on_step,
        ).images

    def picture(self, latents: torch.Tensor) -> Image.Image:
        """The latents through the decoder."""
        pixels = self.first.vae.decode(latents / self.first.vae.config.scaling_factor).sample
        return self.first.image_processor.postprocess(pixels)[0]


@contextlib.contextmanager
def tome(unet: Any, ratio: float) -> Iterator[None]:
    """ToMe as tomesd sets it by default."""
    import tomesd

    tomesd.apply_patch(unet, ratio=ratio)
    try:
        yield
    finally:
        tomesd.remove_patch(unet)


def methods(painter: Painter, checkpoint: Checkpoint, enlargement: int) -> Methods:
    """ToDo in all its variants and its peers, on the painter's U-Net."""
    unet, side = painter.first.unet, checkpoint.threshold * enlargement
    found: Methods = {
        name: lambda settings=settings: token_downsampling(settings)
        for name, settings in variants(checkpoint.threshold, enlargement).items()
    }
    found |= {f"ToMe {ratio}": lambda ratio=ratio: tome(unet, ratio) for ratio in TOME_RATIOS}
    tile = checkpoint.threshold // HYPERTILE_OF_NATIVE
    return found | {HYPERTILE: lambda: tiled(unet, (side, side), tile)}


def _draw_all(
    painter: Painter, seed: int, start: Image.Image, found: Methods
) -> dict[str, torch.Tensor]:
    drawn = {DENSE: painter.latents(seed, start)}
    for name, method in found.items():
        with method() as report:
            drawn[name] = painter.latents(seed, start, report)
    return drawn


def measure(
    bench: Bench,
    checkpoint: Checkpoint,
    seeds: int,
    enlargements: list[int],
    wanted: list[str] | None = None,
) -> None:
    """Errors of every variant against dense, for seeds 0 and on, at each enlargement.

    Args:
        wanted: names of variants; all without it.
    """
    painter = Painter(checkpoint, bench.device)
    for times in enlargements:
        side = times * checkpoint.native
        found = methods(painter, checkpoint, times)
        found = {name: each for name, each in found.items() if wanted is None or name in wanted}
        points = [bench.store.point("quality", str(side), name) for name in found]
        done = min(len(point.get("latent_mse", [])) for point in points)
        task = bench.progress.add_task(f"quality {side}²", total=seeds, completed=done)
        for seed in range(done, seeds):
            if bench.out_of_time:
                break
            drawn = _draw_all(painter, seed, painter.enlarged(seed, side), found)
            dense = drawn.pop(DENSE)
            dense_picture = painter.picture(dense)
            for name, latents in drawn.items():
                point = bench.store.point("quality", str(side), name)
                if len(point.get("latent_mse", [])) > seed:
                    continue
                picture = painter.picture(latents)
                numbers = {
                    "latent_mse": float((latents - dense).square().mean()),
                    "psnr": psnr(picture, dense_picture),
                    "high_frequency": high_frequency_ratio(picture, dense_picture),
                }
                for key, value in numbers.items():
                    point.setdefault(key, []).append(value)
            bench.store.save()
            bench.progress.advance(task)
