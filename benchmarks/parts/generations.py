"""Whole generations: through diffusers, and through a running WebUI's API."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from benchmarks.models.hires import HiresPipeline
from benchmarks.peers.names import DENSE, HYPERTILE, TODO
from benchmarks.peers.tome import tome
from benchmarks.running.bench import Bench, Methods
from benchmarks.running.webui import WebUI
from lib_todo import Settings, token_downsampling

PIPELINE, API = "diffusers", "WebUI"
TOME_RATIO = 0.75


def measure_pipeline(bench: Bench, pipeline: HiresPipeline, enlargements: list[int]) -> None:
    """Time the second pass of hires fix and the decoder, as in `quality`."""
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


def measure_webui(bench: Bench, webui: WebUI, side: int, steps: int) -> None:
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

    def draw(
        todo: dict[str, Any] | None, options: dict[str, Any], side: int = side, steps: int = steps
    ) -> Any:
        return webui.generate(todo, options, width=side, height=side, steps=steps, **request)

    methods: Methods = {
        name: lambda each=each: contextlib.nullcontext(lambda: draw(*each))
        for name, each in asked.items()
    }
    # loads the checkpoint if it is not loaded yet
    draw(None, {}, side=256, steps=1)
    bench.store.set_conditions("generation", API, steps=steps, checkpoint=webui.checkpoint())
    by_wall = dataclasses.replace(bench, clock="wall")
    by_wall.interleave(("generation", API, str(side)), methods)
