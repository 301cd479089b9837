"""Whole diffusers pipelines inside the `with`: pooled alone, and step by step with StepProgress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import AutoPipelineForImage2Image, HeunDiscreteScheduler
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers_models import by_loops
from self_attention import keys_computed, self_attentions
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.hosts.diffusers import StepProgress

PROMPT = "a fox on a beach"
WHOLE, POOLED = 192, 48


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return models.sd_pipeline(tmp_path_factory.mktemp("sd"))


def generate(pipe: Any, steps: int = 4, **options: Any) -> torch.Tensor:
    options = {"height": 128, "width": 96, **options}
    return pipe(
        PROMPT,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(3),
        output_type="pt",
        **options,
    ).images


def test_a_pipeline_needs_only_the_with(pipe: Any) -> None:
    with token_downsampling(paper(factor=2, threshold=8)):
        got = generate(pipe)
    with models.pooled_by_hand(pipe.unet, by_loops((16, 12), 1, 2)):
        torch.testing.assert_close(got, generate(pipe))
    assert not torch.allclose(got, generate(pipe), atol=1e-3)


def test_an_sdxl_pipeline(tmp_path: Path) -> None:
    pipe = models.sdxl_pipeline(tmp_path)
    with token_downsampling(paper(factor=2, threshold=4)):
        got = generate(pipe)
    with models.pooled_by_hand(pipe.unet, by_loops((16, 12), 2, 2)):
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
    assert report.steps == (2 * wanted.count(POOLED), 8)


def test_one_step_calls_are_counted_one_by_one(pipe: Any) -> None:
    with token_downsampling(paper(threshold=8)) as report:
        for _ in range(3):
            generate(pipe, steps=1, callback_on_step_end=StepProgress(report))
    assert report.steps == (3, 3)


def test_a_call_after_one_that_was_broken_off_starts_at_its_first_step(pipe: Any) -> None:
    class Stop(PipelineCallback):
        tensor_inputs: list[str] = []  # noqa: RUF012  read by the pipeline, never changed

        def callback_fn(self, pipeline: Any, step_index: int, timestep: Any, kwargs: dict) -> dict:
            if step_index == 2:
                raise KeyboardInterrupt
            return kwargs

    with token_downsampling(paper(factor=2, threshold=8, end=0.5)) as report:
        progress = StepProgress(report)
        with pytest.raises(KeyboardInterrupt):
            generate(pipe, callback_on_step_end=MultiPipelineCallbacks([progress, Stop()]))
        seen = keys_by_step(pipe, callback_on_step_end=progress)
    assert seen == [POOLED, POOLED, WHOLE, WHOLE]


def test_image_to_image_counts_its_own_steps(pipe: Any) -> None:
    image_pipe = AutoPipelineForImage2Image.from_pipe(pipe)
    image_pipe.set_progress_bar_config(disable=True)
    picture = torch.rand(1, 3, 128, 96, generator=torch.Generator().manual_seed(0))
    with token_downsampling(paper(factor=2, threshold=8, end=0.5)) as report:
        with keys_computed(pipe.unet) as seen:
            image_pipe(
                PROMPT,
                image=picture,
                strength=0.5,
                num_inference_steps=8,
                callback_on_step_end=StepProgress(report, "hires"),
            )
        assert report.position.pass_name == "hires"
    keys = [keys for _, keys in seen[::7]]
    assert keys == [POOLED, POOLED, WHOLE, WHOLE]
    assert report.steps == (2, 4)


def test_a_second_order_scheduler_counts_the_users_steps(pipe: Any) -> None:
    pipe = type(pipe)(**{**pipe.components, "scheduler": HeunDiscreteScheduler(steps_offset=1)})
    pipe.set_progress_bar_config(disable=True)
    with token_downsampling(paper(factor=2, threshold=8, end=0.5)) as report:
        keys = keys_by_step(pipe, callback_on_step_end=StepProgress(report))
    assert keys == [POOLED] * 4 + [WHOLE] * 3
    assert report.steps == (2, 4)


def test_only_the_wanted_pass(pipe: Any) -> None:
    with token_downsampling(paper(factor=2, threshold=8, passes="hires")) as report:
        first = keys_by_step(pipe, callback_on_step_end=StepProgress(report))
        hires = keys_by_step(pipe, callback_on_step_end=StepProgress(report, "hires"))
    assert (first, hires) == ([WHOLE] * 4, [POOLED] * 4)
