"""Tiny models instead of those that a page loads by name, and two steps instead of fifty."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers_models as models
import pytest
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline

PIPELINES: dict[str, Callable[[Path], DiffusionPipeline]] = {
    "DiffusionPipeline": models.sd_pipeline,
    "AutoPipelineForText2Image": models.sd_pipeline,
    "StableDiffusionPipeline": models.sd_pipeline,
    "StableDiffusionXLPipeline": models.sdxl_pipeline,
}
STEPS = 2


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have pipelines come from here, stay on the CPU and take no more than STEPS steps.

    `folder` holds the tokenizer's files.
    """

    def from_pretrained(cls: type, name: str, **_: Any) -> DiffusionPipeline:
        if cls.__name__ not in PIPELINES:
            raise LookupError(f"tests/docs has no small model for {cls.__name__} ({name})")
        return PIPELINES[cls.__name__](folder)

    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", classmethod(from_pretrained))
    monkeypatch.setattr(DiffusionPipeline, "to", lambda self, *_, **__: self)
    for cls in (StableDiffusionPipeline, StableDiffusionXLPipeline):
        monkeypatch.setattr(cls, "__call__", _with_few_steps(cls.__call__))


def _with_few_steps(call: Callable) -> Callable:
    @functools.wraps(call)
    def few(self: Any, *args: Any, **options: Any) -> Any:
        steps = min(STEPS, options.pop("num_inference_steps", STEPS))
        return call(self, *args, num_inference_steps=steps, **options)

    return few
