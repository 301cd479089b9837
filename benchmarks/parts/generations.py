"""Whole generations: through diffusers, and through a running WebUI's API."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import requests

from benchmarks.models.hires import HiresPipeline
from benchmarks.peers.names import DENSE, HYPERTILE, TODO
from benchmarks.peers.tome import tome
from benchmarks.running.bench import Bench, Methods
from lib_todo import Settings, token_downsampling

PIPELINE, API = "diffusers", "WebUI"
TOME_RATIO = 0.75
REQUEST_SECONDS = 1800


def measure_pipeline(bench: Bench, pipeline: HiresPipeline, enlargements: list[int]) -> None:
    """The second pass of hires fix and the decoder, as `quality` runs them."""
    checkpoint = pipeline.checkpoint
    bench.store.set_conditions("generation", PIPELINE, **checkpoint.conditions())
    settings = Settings.from_preset("paper", threshold=checkpoint.threshold)
    for times in enlargements:
        side = times * checkpoint.native
        start, case = pipeline.enlarged_first_pass(0, side), pipeline.case(side)

        def draw(report: Any, start: Any = start) -> Callable[[], Any]:
            return lambda: pipeline.decode(pipeline.second_pass(0, start, report))

        @contextlib.contextmanager
        def held(method: Any, draw: Any = draw) -> Any:
            with method as report:
                yield draw(report)

        methods: Methods = {
            DENSE: lambda: held(contextlib.nullcontext()),
            TODO: lambda: held(token_downsampling(settings)),
            f"ToMe {TOME_RATIO}": lambda case=case: held(tome(TOME_RATIO)(case)),
        }
        with methods[TODO]() as warm_up:
            warm_up()
        bench.interleave(("generation", PIPELINE, str(side)), methods)


@dataclasses.dataclass(frozen=True)
class Api:
    """A WebUI that runs with --api and this extension, and what it is asked for.

    `side` is in pixels, both ways.
    """

    url: str
    side: int
    steps: int

    def checkpoint(self) -> str:
        """Its name and the short form of its hash, as the WebUI writes them.

        Raises:
            requests.HTTPError: the WebUI refused or failed.
        """
        answer = requests.get(f"{self.url}/sdapi/v1/options", timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return answer.json()["sd_model_checkpoint"]

    def generate(self, settings: dict[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        """One image; the answer.

        Raises:
            requests.HTTPError: the WebUI refused or failed.
        """
        todo = {**settings, "enabled": True} if settings is not None else {"enabled": False}
        # the host does not restore an option that was never saved, so each request names them all
        plain = {"token_merging_ratio": 0, "hypertile_enable_unet": False}
        answer = requests.post(
            f"{self.url}/sdapi/v1/txt2img",
            json={
                "prompt": "a lighthouse at dusk",
                "seed": 1,
                "width": self.side,
                "height": self.side,
                "steps": self.steps,
                "sampler_name": "Euler",
                "do_not_save_samples": True,
                "do_not_save_grid": True,
                "override_settings": {**plain, **options},
                "alwayson_scripts": {"ToDo": {"args": [todo]}},
            },
            timeout=REQUEST_SECONDS,
        )
        answer.raise_for_status()
        return answer.json()


def measure_api(bench: Bench, api: Api) -> None:
    """The same image by ToDo and by what the WebUI has built in.

    By the wall clock always: the work is done in the WebUI's process.
    """
    asked: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
        DENSE: (None, {}),
        TODO: ({}, {}),
        f"ToMe {TOME_RATIO}": (None, {"token_merging_ratio": TOME_RATIO}),
        HYPERTILE: (None, {"hypertile_enable_unet": True}),
    }
    methods: Methods = {
        name: lambda request=request: contextlib.nullcontext(lambda: api.generate(*request))
        for name, request in asked.items()
    }
    # loads the checkpoint, where it is not loaded yet
    dataclasses.replace(api, side=256, steps=1).generate(None, {})
    bench.store.set_conditions("generation", API, steps=api.steps, checkpoint=api.checkpoint())
    by_wall = dataclasses.replace(bench, clock="wall")
    by_wall.interleave(("generation", API, str(api.side)), methods)
