"""Through the API of a running WebUI: times of an image, and errors with each of its samplers."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
from typing import Any

import requests
from PIL import Image

from benchmarks.models.checkpoint import GUIDANCE, STEPS, STRENGTH, prompt_of
from benchmarks.parts.quality import PAPER
from benchmarks.peers.names import BALANCED, CLOSE, DENSE, HYPERTILE, TODO
from benchmarks.running.bench import Bench, Methods
from comparison.metrics import mean_squared_error
from lib_todo.plan import PIXELS_PER_LATENT

REQUEST_SECONDS = 1800
TOME_RATIO = 0.75
# the presets, and the names of the methods here
COMPARED = {"paper": PAPER, "close": CLOSE, "balanced": BALANCED}


@dataclasses.dataclass(frozen=True)
class WebUI:
    """A WebUI at `url` that runs with --api and this extension."""

    url: str

    def checkpoint(self) -> str:
        """Its name and the short form of its hash, as the WebUI writes them."""
        return self._get("options")["sd_model_checkpoint"]

    def samplers(self) -> list[str]:
        """The names of all its samplers."""
        return [sampler["name"] for sampler in self._get("samplers")]

    def generate(
        self,
        todo: dict[str, Any] | None,
        options: dict[str, Any] | None = None,
        start: Image.Image | None = None,
        **request: Any,
    ) -> Image.Image:
        """One image.

        Args:
            todo: ToDo's settings; None switches it off.
            options: the WebUI's own settings, for this request.
            start: the initial image of image to image; without it, text to image.
            request: the other fields of the request.

        Raises:
            requests.HTTPError: the WebUI refused or failed.
        """
        asked = {"enabled": False} if todo is None else {**todo, "enabled": True}
        # the host does not restore an option that was never saved, so each request sets all of them
        plain = {"token_merging_ratio": 0, "hypertile_enable_unet": False}
        body = {
            "do_not_save_samples": True,
            "do_not_save_grid": True,
            "override_settings": {**plain, **(options or {})},
            "alwayson_scripts": {"ToDo": {"args": [asked]}},
            **request,
        }
        if start is not None:
            data = io.BytesIO()
            start.save(data, "png")
            body["init_images"] = [base64.b64encode(data.getvalue()).decode()]
        path = "txt2img" if start is None else "img2img"
        answer = requests.post(f"{self.url}/sdapi/v1/{path}", json=body, timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0])))

    def _get(self, what: str) -> Any:
        answer = requests.get(f"{self.url}/sdapi/v1/{what}", timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return answer.json()


def measure(bench: Bench, webui: WebUI, side: int, steps: int) -> None:
    """Time the same image with ToDo and with the WebUI's built-in methods.

    By the wall clock always: the work is done in the WebUI's process.

    Args:
        side: in pixels, both ways.
    """
    asked: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
        DENSE: (None, {}),
        TODO: ({"preset": "paper"}, {}),
        f"ToMe {TOME_RATIO}": (None, {"token_merging_ratio": TOME_RATIO}),
        HYPERTILE: (None, {"hypertile_enable_unet": True}),
    }
    request = {"prompt": "a lighthouse at dusk", "seed": 1, "sampler_name": "Euler"}
    request |= {"width": side, "height": side, "steps": steps}
    methods: Methods = {
        name: lambda each=each: contextlib.nullcontext(lambda: webui.generate(*each, **request))
        for name, each in asked.items()
    }
    bench.store.set_conditions("generation", "WebUI", steps=steps, checkpoint=webui.checkpoint())
    by_wall = dataclasses.replace(bench, clock="wall")
    by_wall.interleave(("generation", "WebUI", str(side)), methods)


def measure_samplers(
    bench: Bench, webui: WebUI, native: int, seeds: int, wanted: list[str] | None = None
) -> None:
    """Errors of the pictures, image to image at twice the native size, with the WebUI's samplers.

    Args:
        native: the checkpoint's own size in pixels.
        wanted: names of samplers (default: all).
    """
    side, base = 2 * native, {"cfg_scale": GUIDANCE, "steps": STEPS}
    common = {**base, "width": side, "height": side, "denoising_strength": STRENGTH}
    bench.store.set_conditions("WebUI samplers", native=native, checkpoint=webui.checkpoint())
    starts = []
    for seed in range(seeds):
        small = {**base, "width": native, "height": native, "sampler_name": "Euler"}
        picture = webui.generate(None, prompt=prompt_of(seed), seed=seed, **small)
        starts.append(picture.resize((side, side), Image.Resampling.LANCZOS))
    for sampler in wanted or webui.samplers():
        key = ("WebUI samplers", str(side), sampler)
        points = {method: bench.store.point(*key, method) for method in COMPARED.values()}
        for seed, add in bench.each_seed(key, points, ("picture_mse",), seeds):
            request = {"prompt": prompt_of(seed), "seed": seed, "sampler_name": sampler, **common}
            # encoding a prompt advances the random generator from which the start's latent comes
            webui.generate(None, prompt=prompt_of(seed), seed=seed, steps=1, width=64, height=64)
            dense = webui.generate(None, start=starts[seed], **request)
            for preset, method in COMPARED.items():
                todo = {"preset": preset, "threshold": native // PIXELS_PER_LATENT}
                picture = webui.generate(todo, start=starts[seed], **request)
                add(method, {"picture_mse": mean_squared_error(picture, dense)})
