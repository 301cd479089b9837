"""What ToDo costs in Python: a U-Net of SDXL's shape whose arithmetic takes next to no time."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch

from benchmarks.running.bench import Bench
from benchmarks.running.store import Store
from benchmarks.running.timing import timed
from comparison.tome import tokens_merged
from lib_todo import Settings, bind, token_downsampling
from lib_todo.pooling import Pooling

OFF = "off"
CALLS = 42
# attention layers: two in each block
LAYERS = 140
# the latent has 16×16 tokens, and the largest level 8×8: above the one threshold, below the other
POOLS, POOLS_NOT = Settings(factor=2, deep_factor=2, threshold=4), Settings(threshold=64)


def tiny_sdxl() -> Any:
    """70 blocks, each with self-attention and cross-attention, of 8 to 32 channels."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16, 32),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(1, 2, 4),
        cross_attention_dim=24,
        norm_num_groups=4,
        use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    ).eval()


def measure(bench: Bench) -> None:
    """Seconds of a U-Net's call: off, where nothing is pooled, and where all levels are.

    A round calls the model by each method, and keeps the tenth percentile: what else the machine
    does makes calls longer, never shorter.
    """
    from diffusers import EulerDiscreteScheduler

    model, scheduler = tiny_sdxl(), EulerDiscreteScheduler()
    latent, prompt = torch.randn(2, 4, 16, 16), torch.randn(2, 5, 24)
    methods: dict[str, Callable[[], AbstractContextManager]] = {
        OFF: contextlib.nullcontext,
        "with, nothing pooled": partial(token_downsampling, POOLS_NOT),
        "bind, nothing pooled": partial(bind, model, POOLS_NOT),
        "tomesd, nothing merged": partial(tokens_merged, model, 0.5),
        "with, all pooled": partial(token_downsampling, POOLS),
        "bind, all pooled": partial(bind, model, POOLS),
        "by hand, all pooled": partial(pooled_by_hand, model),
    }

    def low(hold: Callable[[], AbstractContextManager]) -> float:
        with hold():
            scheduler.set_timesteps(20)
            # after the first quarter, where all levels are pooled
            steps = itertools.cycle(scheduler.timesteps[8:])
            times = [
                timed(lambda: model(latent, next(steps), prompt), bench.device, bench.clock)
                for _ in range(CALLS)
            ]
        return statistics.quantiles(times[2:], n=10)[0]

    task = bench.progress.add_task("overhead", total=bench.rounds)
    for number in range(1, bench.rounds + 1):
        if bench.out_of_time:
            return
        for name, hold in methods.items():
            bench.store.seconds("overhead", name)[str(number)] = low(hold)
        bench.progress.advance(task)
        bench.store.save()


@contextlib.contextmanager
def pooled_by_hand(model: Any) -> Iterator[None]:
    """The same pooling as a `forward` of each layer that knows nothing but an index."""
    layers = [module for name, module in model.named_modules() if name.endswith("attn1")]
    indices = {n * n: Pooling((n, n), 2, "nearest", (0, 0), torch.device("cpu")) for n in (4, 8)}

    def forward(own: Callable, hidden_states: torch.Tensor, *_: Any, **kwargs: Any) -> Any:
        tokens = indices[hidden_states.shape[1]].take(hidden_states)
        return own(hidden_states, **{**kwargs, "encoder_hidden_states": tokens})

    for layer in layers:
        layer.forward = partial(forward, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def added(store: Store) -> dict[str, tuple[float, float, float]]:
    """Seconds that each method adds to a call of the U-Net: the median and the quartiles.

    Each round is compared with the same round's off.
    """
    points = store.under("overhead")
    off = points.get((OFF,), {}).get("seconds", {})
    found = {}
    for (name,), point in points.items():
        seconds = point.get("seconds", {})
        differences = [seconds[number] - off[number] for number in seconds if number in off]
        if name != OFF and len(differences) > 1:
            low, middle, high = statistics.quantiles(differences, n=4)
            found[name] = middle, low, high
    return found
