"""Every cell of a running AUTOMATIC1111, by its API: pictures, image to image."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import Any

import numpy
import requests
import torch
from PIL import Image

from benchmarks.matrix.cell import Cell
from benchmarks.matrix.picture import SIDE, enlarged
from benchmarks.models.checkpoint import GUIDANCE, prompt_of
from demo.convert import NAME
from lib_todo import Settings
from lib_todo.samplers import SamplerRule, even_levels, rule_for

AUTOMATIC = "Automatic"
# they go by timesteps of their own, whatever schedule is chosen
NO_SCHEDULE = ("DDIM", "DDIM CFG++", "PLMS", "UniPC")
SECONDS = 600


class WebUI:
    """A WebUI at a URL, with ToDo installed and the checkpoint of `demo.convert` loaded.

    Its answers are pictures, so they are compared by pixels, from 0 to 1.
    """

    name = "AUTOMATIC1111"

    def __init__(self, url: str) -> None:
        self.url = url
        self._seed: int | None = None
        loaded = _ask(url, "options")["sd_model_checkpoint"]
        if not loaded.startswith(NAME):
            raise SystemExit(f"{url} has {loaded} loaded, not {NAME}: see demo/convert.py")

    def pairs(self) -> list[tuple[str, str]]:
        """(sampler, schedule) of all its cells, by the page's names."""
        samplers = [row["name"] for row in _ask(self.url, "samplers")]
        return [
            (sampler, row["label"])
            for row in _ask(self.url, "schedulers")
            for sampler in samplers
            if row["label"] == AUTOMATIC or sampler not in NO_SCHEDULE
        ]

    def rule(self, cell: Cell) -> tuple[SamplerRule, int]:
        """What the rule makes of the sampler whatever the schedule is, and how many steps it has.

        The host does not tell its noise levels. By even ones the paper's factors and phase hold in
        fewer steps than by any others.
        """
        sigmas = () if cell.sampler in NO_SCHEDULE else even_levels(cell.steps)
        return rule_for(cell.sampler, reported=True, sigmas=sigmas), cell.steps

    def sample(self, cell: Cell, seed: int, settings: Settings | None) -> torch.Tensor:
        """The picture of a cell; dense without settings."""
        if seed != self._seed:
            # the host encodes the start with random numbers that depend on the request before
            self._seed = seed
            self.sample(cell, seed, None)
        file = io.BytesIO()
        enlarged(seed).save(file, "PNG")
        todo = {"enabled": False} if settings is None else dataclasses.asdict(settings)
        body = {
            "init_images": [base64.b64encode(file.getvalue()).decode()],
            "prompt": prompt_of(seed),
            "seed": seed,
            "width": SIDE,
            "height": SIDE,
            "sampler_name": cell.sampler,
            "scheduler": cell.schedule,
            "steps": cell.steps,
            "denoising_strength": cell.strength,
            "cfg_scale": GUIDANCE,
            # all of the steps, as in hires fix
            "override_settings": {"img2img_fix_steps": True},
            "alwayson_scripts": {"ToDo": {"args": [todo]}},
        }
        (image,) = _ask(self.url, "img2img", body)["images"]
        pixels = numpy.array(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"))
        return torch.from_numpy(pixels).float() / 255


def _ask(url: str, what: str, body: dict[str, Any] | None = None) -> Any:
    method = "GET" if body is None else "POST"
    try:
        answer = requests.request(method, f"{url}/sdapi/v1/{what}", json=body, timeout=SECONDS)
    except requests.ConnectionError as error:
        # not to be noted as a fault of the cell, and of each one after it
        raise SystemExit(f"{url} does not answer: {error}") from error
    if not answer.ok:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:200]}")
    return answer.json()
