"""Whole diffusers pipelines inside the `with`: pooled alone, and step by step with StepProgress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from pooled_by_hand import by_loops, pooled_by_hand
from self_attention import keys_computed, self_attentions
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.hosts.diffusers import StepProgress

WHOLE, POOLED = 192, 48


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return models.sd_pipeline(tmp_path_factory.mktemp("sd"))


def generate(pipe: Any, steps: int = 4, **options: Any) -> torch.Tensor:
    options = {"height": 128, "width": 96, **options}
    return pipe(
        "a fox on a beach",
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
        **options,
    ).images


@pytest.mark.parametrize(
    ("make", "downscale"), [(models.sd_pipeline, 1), (models.sdxl_pipeline, 2)]
)
def test_a_pipeline_needs_only_the_with(make: Any, downscale: int, tmp_path: Path) -> None:
    pipe = make(tmp_path)
    with token_downsampling(paper(factor=2, threshold=8 // downscale)):
        got = generate(pipe)
    with pooled_by_hand(pipe.unet, by_loops((16, 12), downscale, 2)):
        torch.testing.assert_close(got, generate(pipe))
    assert not torch.allclose(got, generate(pipe), atol=1e-3)


def keys_by_step(pipe: Any, **options: Any) -> list[int]:
    """The keys of the first layer, one number for each evaluation of the model."""
    with keys_computed(pipe.unet) as seen:
        generate(pipe, **options)
    return [keys for _, keys in seen[:: len(self_attentions(pipe.unet))]]


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (0, 1, [POOLED] * 4),
        (0, 0.5, [POOLED, POOLED, WHOLE, WHOLE]),
        (0.5, 1, [WHOLE, WHOLE, POOLED, POOLED]),
        (0.25, 0.5, [WHOLE, POOLED, WHOLE, WHOLE]),
    ],
)
def test_windows_in_every_call_of_the_pipeline(
    pipe: Any, start: float, end: float, wanted: list[int]
) -> None:
    settings = paper(factor=2, threshold=8, start=start, end=end)
    with token_downsampling(settings) as report:
        progress = StepProgress(report)
        for _ in range(2):
            assert keys_by_step(pipe, callback_on_step_end=progress) == wanted
        generate(pipe, steps=1, callback_on_step_end=progress)
    assert report.steps == (2 * wanted.count(POOLED) + (start == 0), 9)
