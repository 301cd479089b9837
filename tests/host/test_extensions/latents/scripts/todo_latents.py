"""A test-only WebUI extension: keeps the latents of the last sampling in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from modules import paths_internal, scripts


class KeepLatents(scripts.Script):
    def title(self) -> str:
        return "todo-latents"

    def show(self, is_img2img: bool) -> Any:
        return scripts.AlwaysVisible

    def post_sample(self, p: Any, sampled: Any, *args: Any) -> None:
        latents = sampled.samples.detach().cpu().float().numpy()
        numpy.save(Path(paths_internal.data_path) / "latents.npy", latents)
