"""bind: one model's calls are pooled, from any thread, and no other model's."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import leftovers
import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import Attention
from self_attention import keys_computed, self_attentions
from settings_of import paper

from lib_todo import Settings, bind, token_downsampling

BY_TWO = paper(factor=2, threshold=4, deep_factor=1)
BY_FOUR = paper(factor=4, threshold=4, deep_factor=1)
OFF = paper(enabled=False)
DENSE, HALF, QUARTER = 64, 16, 4


# another one than `unet`
other = pytest.fixture(scope="module")(lambda: models.unet())


@pytest.fixture(autouse=True)
def _leaves_no_class_changed(unet: Any) -> Iterator[None]:
    classes = (UNet2DConditionModel, ControlNetModel, Attention)

    def state() -> tuple:
        modules = leftovers.state(unet)[len(leftovers.CLASSES) :]
        return [dict(vars(cls)) for cls in classes], modules

    before = state()
    yield
    gc.collect()
    assert state() == before


def keys(model: Any) -> int:
    """The keys of the first layer in one call."""
    with keys_computed(model) as seen:
        models.run_unet(model, 8, 8)
    return seen[0][1]


def test_this_model_in_any_thread_and_no_other(unet: Any, other: Any) -> None:
    binding = bind(unet, BY_TWO)
    assert (keys(unet), keys(other)) == (HALF, DENSE)
    with ThreadPoolExecutor(1) as pool:
        assert list(pool.map(keys, (unet, other), timeout=60)) == [HALF, DENSE]
    assert binding.report.pooled[DENSE, HALF].calls == 6
    assert keys(copy.deepcopy(unet)) == DENSE
    for _ in range(2):
        binding.remove()
        assert (keys(unet), keys(other)) == (DENSE, DENSE)
    assert binding.report.pooled[DENSE, HALF].calls == 6
    with pytest.raises(KeyError), bind(unet, BY_TWO):
        raise KeyError
    assert keys(unet) == DENSE


def test_bound_twice_the_last_one_counts(unet: Any) -> None:
    first = bind(unet, BY_TWO)
    # also where nobody keeps its handle
    bind(unet, BY_FOUR)
    gc.collect()
    assert keys(unet) == QUARTER
    first.remove()
    assert keys(unet) == QUARTER
    assert not first.report.tallies
    with bind(unet, OFF):
        assert keys(unet) == DENSE


def test_another_model_called_inside_a_bound_ones_call(unet: Any, other: Any) -> None:
    found: list[int] = []
    hook = unet.mid_block.register_forward_pre_hook(lambda *_: found.append(keys(other)))
    with hook, bind(unet, BY_TWO):
        assert keys(unet) == HALF
    assert found == [DENSE]


def test_a_pipelines_u_net_and_control_nets(tmp_path: Any, other: Any) -> None:
    pipe = models.sd_pipeline(tmp_path)
    net = models.randomised(ControlNetModel.from_unet(pipe.unet, conditioning_channels=3))
    whole = StableDiffusionControlNetPipeline(
        **{**pipe.components, "controlnet": net}, requires_safety_checker=False
    )
    whole.set_progress_bar_config(disable=True)
    with bind(whole, BY_TWO) as binding, keys_computed(pipe.unet, net) as seen:
        whole(
            "a fox",
            image=torch.zeros(1, 3, 64, 64),
            height=64,
            width=64,
            num_inference_steps=2,
            output_type="latent",
        )
        assert keys(other) == DENSE
    assert {keys for queries, keys in seen if queries == DENSE} == {HALF}
    assert binding.report.steps == (2, 2)
    assert binding.report.passes["first"].held == {}


def test_a_u_net_taken_out_of_what_was_bound(unet: Any, other: Any) -> None:
    pair = torch.nn.ModuleList([unet, other])
    with bind(pair, BY_TWO), bind(unet, BY_FOUR) as inner:
        assert (keys(unet), keys(other)) == (QUARTER, HALF)
        inner.remove()
        assert (keys(unet), keys(other)) == (DENSE, HALF)


def test_a_bound_model_is_not_kept_and_its_end_ends_the_binding() -> None:
    unet = models.unet()
    binding = bind(unet, BY_TWO)
    assert keys(unet) == HALF
    ended = weakref.ref(unet)
    del unet
    gc.collect()
    assert ended() is None
    assert "__call__" not in vars(Attention)
    assert binding.report.pooled


def test_each_thread_has_its_own_steps(unet: Any) -> None:
    """Both sample at once, step by step in turn, each over the phases from the first one on."""
    turn, phases = threading.Barrier(2), {}

    def sample(name: str, first: int) -> None:
        text = torch.randn(2, 5, models.TEXT_WIDTH, generator=torch.Generator().manual_seed(0))
        latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        outputs = []
        for step in range(4):
            turn.wait(60)
            with torch.inference_mode():
                outputs.append(unet(latents, first - 100 * step, text).sample)
        phases[name] = outputs

    moving = Settings(factor=2, deep_factor=1, threshold=4)
    with bind(unet, moving), ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(sample, "one", 900), pool.submit(sample, "other", 900)]
        for job in jobs:
            job.result(120)
    for one, other in zip(phases["one"], phases["other"], strict=True):
        torch.testing.assert_close(one, other)


def test_each_request_is_pooled_exactly_if_it_asked(unet: Any, other: Any) -> None:
    """A random server: tasks in many threads, and threads of theirs, each in a `with` or not."""
    draw, here = random.Random(0), threading.local()

    def note(_: Any, inputs: tuple) -> None:
        here.keys = inputs[0].shape[1]

    def call(model: Any) -> int:
        with torch.inference_mode():
            models.run_unet(model, 8, 8)
        return here.keys

    async def serve(model: Any, settings: Settings | None, wanted: int, in_thread: bool) -> None:
        with token_downsampling(settings) if settings else contextlib.nullcontext():
            for _ in range(3):
                await asyncio.sleep(0)
                got = await asyncio.to_thread(call, model) if in_thread else call(model)
                assert got == wanted

    async def serve_all(requests: list[tuple]) -> None:
        await asyncio.gather(*(serve(*request) for request in requests))

    wanted = {OFF: DENSE, BY_TWO: HALF, BY_FOUR: QUARTER}
    requests = []
    for _ in range(48):
        model, settings = draw.choice([unet, other]), draw.choice([None, *wanted])
        keys = wanted.get(settings, HALF if model is unet else DENSE)
        requests.append((model, settings, keys, draw.random() < 0.5))
    hooks = [
        self_attentions(model)[0].to_k.register_forward_pre_hook(note) for model in (unet, other)
    ]
    with bind(unet, BY_TWO) as binding, ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(asyncio.run, serve_all(requests[n::12])) for n in range(12)]
        assert all(job.result(120) is None and binding.report.line() for job in jobs)
    for hook in hooks:
        hook.remove()
    bound = sum(model is unet and settings is None for model, settings, *_ in requests)
    # three layers in each of three calls
    assert binding.report.pooled[DENSE, HALF].calls == 9 * bound > 0
    assert len(binding.report.pooled[DENSE, HALF].layers) == 3


@pytest.mark.parametrize("target", [None, 3, torch.nn.Linear(2, 2), UNet2DConditionModel])
def test_no_model_in_it(target: Any) -> None:
    with pytest.raises(TypeError, match="target must be a diffusers pipeline"):
        bind(target, BY_TWO)


@pytest.mark.parametrize("enter", [lambda unet: bind(unet, {}), lambda _: token_downsampling({})])
def test_settings_of_another_type(unet: Any, enter: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="settings must be a Settings, not dict"):
        enter(unet)
