"""The line names the real cause: another thread, unknown steps."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import DDIMScheduler
from diffusers_models import run_unet
from ldm_models import image, run, spatial_transformer, text
from self_attention import keys_computed
from settings_of import paper

from lib_todo import Settings, bind, token_downsampling
from lib_todo.reasons import Reason
from lib_todo.wording import ELSEWHERE, NO_LAYER, WINDOWS, nothing_pooled

ROOT = Path(__file__).resolve().parents[3]
BY_TWO = paper(factor=2, threshold=4, deep_factor=1)


def test_a_plain_executor_is_named_as_the_cause_and_to_thread_takes_it_along(unet: Any) -> None:
    async def handle(executor: ThreadPoolExecutor) -> str:
        with token_downsampling(BY_TWO) as report:
            await asyncio.get_running_loop().run_in_executor(executor, run_unet, unet, 8, 8)
            line = report.line()
            await asyncio.to_thread(run_unet, unet, 8, 8)
        assert report.pooled[64, 16].calls == 3
        return line

    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(handle(executor)) == nothing_pooled(ELSEWHERE)


@pytest.mark.parametrize(
    "own", [lambda unet: token_downsampling(BY_TWO), lambda unet: bind(unet, BY_TWO)]
)
def test_what_others_called_for_themselves_is_no_cause(own: Callable[[Any], Any]) -> None:
    def elsewhere(other: Any) -> None:
        with own(other):
            run_unet(other, 8, 8)

    with token_downsampling(BY_TWO) as report, ThreadPoolExecutor(1) as executor:
        executor.submit(elsewhere, models.unet()).result(60)
    assert report.line() == nothing_pooled(NO_LAYER)


def test_a_call_elsewhere_is_not_told_where_something_was_pooled_here(unet: Any) -> None:
    with token_downsampling(BY_TWO) as report, ThreadPoolExecutor(1) as executor:
        executor.submit(run_unet, unet, 8, 8).result(60)
        run_unet(unet, 8, 8)
    assert report.line().startswith("ToDo: 64 → 16 keys in 3 of 7")


@pytest.mark.parametrize(
    ("values", "timesteps", "window"),
    [
        ({"end": 0.5}, [500] * 4, "unknown"),
        ({"end": 0.5}, [900, 600, 300], "timesteps"),
        # nothing is pooled
        ({"start": 0.5}, [500], "unknown"),
        # it holds whatever the step is
        ({"start": 0.5, "end": 0.5}, [500], ""),
    ],
)
def test_a_window_without_known_steps(
    unet: Any, values: dict[str, float], timesteps: list[int], window: str
) -> None:
    with token_downsampling(paper(factor=2, threshold=4, **values)) as report:
        for timestep in timesteps:
            run_unet(unet, 8, 8, timestep)
    assert report.window == window
    assert WINDOWS.get(window, Reason.OUTSIDE_WINDOW.value) in report.line()


@pytest.mark.parametrize("tell", ["scheduler", "host"])
def test_a_window_with_known_steps_needs_no_words(unet: Any, tell: str) -> None:
    with token_downsampling(paper(factor=2, threshold=4, end=0.5)) as report:
        scheduler = DDIMScheduler()
        if tell == "scheduler":
            scheduler.set_timesteps(4)
        for step, timestep in enumerate((750, 500, 250, 0)):
            if tell == "host":
                report.progress(step, 4)
            run_unet(unet, 8, 8, timestep)
    assert (report.window, report.steps) == ("", (2, 4))


def test_it_is_the_steps_that_are_not_known() -> None:
    """An ldm transformer by itself: no model's call, so no timestep either."""
    with token_downsampling(Settings(factor=2, threshold=2)) as report:
        run(spatial_transformer(), image(4, 4), text())
    # and no window, of which there would be something to say
    assert (report.passes["first"].held, report.window) == ({None: 0}, "")


def test_a_smaller_model_after_a_larger_one_where_no_models_call_tells() -> None:
    large, small = ([spatial_transformer() for _ in range(2)] for _ in range(2))
    with (
        token_downsampling(paper(factor=4, deep_factor=2, threshold=2)),
        keys_computed(*small) as seen,
    ):
        for _ in range(2):
            run(large[0], image(16, 16), text())
            run(large[1], image(8, 8), text())
        run(small[0], image(8, 8), text())
        run(small[1], image(4, 4), text())
    assert seen == [(64, 4), (16, 4)]


def test_a_first_argument_that_is_no_tensor() -> None:
    """Another program's block that hands a list to a layer which knows what to do with it."""
    transformer = spatial_transformer()
    block = transformer.transformer_blocks[0]
    norm, attend = block.norm1.forward, block.attn1.forward
    block.norm1.forward = lambda x: [norm(x)]
    block.attn1.forward = lambda x, *rest, **options: attend(x[0], *rest, **options)
    with token_downsampling(paper(factor=2, threshold=2)) as report:
        run(transformer, image(4, 4), text())
    assert (report.pooled, report.left_alone) == ({}, {})


def test_keys_that_another_thread_computes_meanwhile_are_not_the_layers_own() -> None:
    """A layer's first pooled call looks at how many keys the layer computes."""
    model = spatial_transformer()
    layer, others = model.transformer_blocks[0].attn1, []

    def beside(*_: Any) -> None:
        if not others:
            others.append(torch.zeros(1, 16, 32))
            with ThreadPoolExecutor(1) as executor:
                executor.submit(layer.to_k, others[0]).result(60)

    layer.to_k.register_forward_hook(beside)
    with token_downsampling(paper(factor=2, threshold=2)) as report:
        run(model, image(4, 4), text())
    assert (others != [], report.left_alone) == (True, {})


def test_one_object_in_two_threads_is_refused() -> None:
    shared = token_downsampling(BY_TWO)
    refused = pytest.raises(RuntimeError, match="give each one of its own")
    with shared, ThreadPoolExecutor(1) as pool, refused:
        pool.submit(shared.__enter__).result(60)
    with shared:
        pass


def test_models_that_are_imported_inside_the_with() -> None:
    code = (
        "import diffusers\n"
        "from lib_todo import Settings, token_downsampling\n"
        "with token_downsampling(Settings(threshold=16, factor=3)) as report:\n"
        "    pipe = diffusers.StableDiffusionPipeline.from_pretrained('demo/model')\n"
        "    pipe('a fox', height=256, width=256, num_inference_steps=1, output_type='latent')\n"
        "print(sorted(report.pooled))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[(1024, 121)]", done.stderr
