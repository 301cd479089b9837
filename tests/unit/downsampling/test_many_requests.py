"""A random server: threads, coroutines and generators, each pooled only if it entered a `with`."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers.models.attention_processor import Attention
from self_attention import self_attentions
from settings_of import paper

from lib_todo import bind, token_downsampling

SECONDS = 4
SIDES = (8, 12)
# what a request may ask for: its settings, and the factor that follows for the largest level
ASKED: list[tuple[Any, int]] = [
    (None, 1),
    (paper(enabled=False), 1),
    (paper(factor=2, deep_factor=1, threshold=4), 2),
    (paper(factor=4, deep_factor=1, threshold=4), 4),
]
BOUND_TO = 2


class Keys:
    """The keys that each thread's calls of the models' first layers compute."""

    def __init__(self, *unets: Any) -> None:
        self._seen = threading.local()
        for unet in unets:
            self_attentions(unet)[0].to_k.register_forward_pre_hook(self._see)

    def _see(self, _: Any, inputs: tuple) -> None:
        self._seen.keys = inputs[0].shape[1]

    def of_a_call(self, unet: Any, side: int) -> int:
        with torch.inference_mode():
            unet(torch.zeros(1, 4, side, side), 500, torch.zeros(1, 5, models.TEXT_WIDTH))
        return self._seen.keys


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Keys, Any, Any]]:
    """The models, one of which is bound, and what counts their keys."""
    tiny = {"block_out_channels": (16, 16), "norm_num_groups": 4}
    plain, bound = models.unet(**tiny), models.unet(**tiny)
    with bind(bound, paper(factor=BOUND_TO, deep_factor=1, threshold=4)):
        yield Keys(plain, bound), plain, bound
    assert "__call__" not in vars(Attention)


class Request:
    """One request: what it asks for, which model it calls, how often, and what it has to get."""

    def __init__(self, draw: random.Random, server: tuple[Keys, Any, Any]) -> None:
        self._keys, *unets = server
        which = draw.randrange(2)
        self._unet, self._side = unets[which], draw.choice(SIDES)
        self._settings, factor = draw.choice(ASKED)
        if self._settings is None and which == 1:
            factor = BOUND_TO
        self._wanted = (self._side // factor) ** 2
        self._calls = draw.randint(1, 3)

    def enter(self) -> contextlib.AbstractContextManager:
        if self._settings is None:
            return contextlib.nullcontext()
        return token_downsampling(self._settings)

    def call(self) -> None:
        assert self._keys.of_a_call(self._unet, self._side) == self._wanted

    def in_a_generator(self) -> Iterator[None]:
        with self.enter() as report:
            for _ in range(self._calls):
                self.call()
                yield
        if report is not None and self._settings.enabled:
            assert sum(tally.calls for tally in report.pooled.values()) == 3 * self._calls

    def in_a_thread(self) -> None:
        for _ in self.in_a_generator():
            pass

    async def in_a_task(self, draw: random.Random) -> None:
        with self.enter():
            for _ in range(self._calls):
                await asyncio.sleep(draw.random() / 1000)
                if draw.random() < 0.5:
                    self.call()
                else:
                    await asyncio.to_thread(self.call)


def in_turns(requests: list[Request], draw: random.Random) -> None:
    """One thread's generators, which never overlap, some of them closed before their end."""
    for request in requests:
        steps = request.in_a_generator()
        next(steps)
        if draw.random() < 0.5:
            steps.close()
        for _ in steps:
            pass


async def at_once(requests: list[Request], draw: random.Random) -> None:
    await asyncio.gather(*(request.in_a_task(draw) for request in requests))


@pytest.mark.parametrize("seed", range(2))
def test_each_request_is_pooled_exactly_if_it_asked(
    seed: int, server: tuple[Keys, Any, Any]
) -> None:
    draw = random.Random(seed)
    ways = [
        lambda requests, own: [request.in_a_thread() for request in requests],
        in_turns,
        lambda requests, own: asyncio.run(at_once(requests, own)),
    ]
    end = time.monotonic() + SECONDS / 2
    with ThreadPoolExecutor(6) as pool:
        while time.monotonic() < end:
            jobs = [
                pool.submit(
                    draw.choice(ways),
                    [Request(draw, server) for _ in range(4)],
                    random.Random(draw.random()),
                )
                for _ in range(6)
            ]
            for job in jobs:
                job.result(120)


def test_a_report_counts_every_call_of_many_threads(server: tuple[Keys, Any, Any]) -> None:
    keys, plain, _ = server
    with (
        bind(plain, paper(factor=2, deep_factor=1, threshold=4)) as binding,
        ThreadPoolExecutor(6) as pool,
    ):
        jobs = [pool.submit(keys.of_a_call, plain, 8) for _ in range(40)]
        lines = [binding.report.line() for job in jobs if job.result(120)]
    assert binding.report.pooled[64, 16].calls == 3 * 40
    assert len(binding.report.pooled[64, 16].layers) == 3
    assert len(lines) == 40
