"""A generation inside another one, as ADetailer makes them."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from modules import processing, shared


@dataclasses.dataclass
class Nested:
    """A generation of its own that is run inside another one's callback, as ADetailer does."""

    place: str
    args: list[Any]


def generate_inside(p: Any, args: list[Any]) -> None:
    """A small generation with its own settings of the extension under test."""
    runner = copy.copy(p.scripts)
    script_args = list(p.script_args)
    for script in runner.alwayson_scripts:
        if script.title() == "ToDo":
            script_args[script.args_from : script.args_from + len(args)] = args
    inner = processing.StableDiffusionProcessingTxt2Img(
        sd_model=shared.sd_model,
        prompt="inside",
        seed=5,
        steps=1,
        width=64,
        height=64,
        sampler_name="Euler",
        do_not_save_samples=True,
        do_not_save_grid=True,
        override_settings={},
    )
    inner.scripts, inner.script_args, inner.is_api = runner, tuple(script_args), True
    try:
        processing.process_images(inner)
    finally:
        inner.close()
