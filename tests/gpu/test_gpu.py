"""What only a GPU shows: half precision, waiting, CUDA graphs, the machine's rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import EulerDiscreteScheduler
from diffusers_models import by_blocks
from self_attention import pooled_by_hand
from torch import nn
from torch._dynamo.utils import counters

from lib_todo import Settings, pool_tokens, token_downsampling
from lib_todo.cost.rates import measure
from lib_todo.phase import Phase, phase_order
from lib_todo.settings import METHODS

pytestmark = [
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="needs a GPU, and a PyTorch that was built for it"
    ),
    pytest.mark.usefixtures("fresh_graphs"),
]
GRID = (16, 12)
TIMES = [900 - 100 * step for step in range(8)]
BY_TWO = Settings(factor=2, deep_factor=1, threshold=4)
DTYPES = [torch.float16, torch.bfloat16, torch.float32]


def unet(dtype: torch.dtype = torch.float32) -> nn.Module:
    return models.unet().to("cuda", dtype)


def inputs(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(2, 4, *GRID, generator=generator)
    return latent.to("cuda", dtype), torch.randn(2, 5, 16, generator=generator).to("cuda", dtype)


def sample(model: Callable, settings: Settings | None) -> tuple[list[torch.Tensor], Any]:
    """What each step's evaluation gives, and what was counted of self-attention."""
    latent, text = inputs()
    outputs = []
    with token_downsampling(settings) if settings else nullcontext() as report:
        for time in torch.tensor(TIMES, device="cuda"):
            torch.compiler.cudagraph_mark_step_begin()
            outputs.append(model(latent, time, text, return_dict=False)[0].clone())
    return outputs, sorted(map(str, report.to_list() if report else ()))


@contextmanager
def no_waiting() -> Iterator[None]:
    """Inside, whatever makes the program wait for the GPU is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_attention_over_explicitly_picked_tokens(dtype: torch.dtype, factor: int) -> None:
    model, (latent, text) = unet(dtype), inputs(dtype)
    order = list(phase_order(factor))
    for step in range(0, len(order), 3):
        with token_downsampling(Settings(factor=factor, deep_factor=1, threshold=4)) as report:
            report.position.sampler = "Euler"
            for now in range(step + 1):
                report.progress(now, len(order))
                got = model(latent, 500, text).sample
        with pooled_by_hand(model, picker(factor, order[step])):
            assert torch.equal(got, model(latent, 500, text).sample)


def picker(factor: int, phase: Phase) -> Callable[[torch.Tensor], torch.Tensor | None]:
    def pick(tokens: torch.Tensor) -> torch.Tensor | None:
        if tokens.shape[1] != GRID[0] * GRID[1]:
            return None
        rows, columns = (
            [min(start + place, side - 1) for start in range(0, side, factor)]
            for side, place in zip(GRID, phase)
        )
        return tokens[:, [row * GRID[1] + column for row in rows for column in columns]]

    return pick


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2, 3, 1.5, 2.7])
def test_pooling_as_on_the_cpu(dtype: torch.dtype, method: str, factor: float) -> None:
    tokens = torch.randn(2, 15 * 11, 8).to(dtype)
    got = pool_tokens(tokens.cuda(), (15, 11), factor, method)
    expected = pool_tokens(tokens.float(), (15, 11), factor, method).to(dtype)
    torch.testing.assert_close(got.cpu(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("settings", [Settings(enabled=False), Settings(threshold=64)])
def test_off_and_below_the_threshold_change_no_bit(dtype: torch.dtype, settings: Settings) -> None:
    model, (latent, text) = unet(dtype), inputs(dtype)
    plain = model(latent, 500, text).sample
    with token_downsampling(settings):
        assert torch.equal(model(latent, 500, text).sample, plain)
    assert torch.equal(model(latent, 500, text).sample, plain)


def test_a_seed_twice_is_the_same_picture(tmp_path: Path) -> None:
    pipe = models.sd_pipeline(tmp_path).to("cuda")
    pipe.scheduler = EulerDiscreteScheduler()

    def draw(settings: Settings | None) -> torch.Tensor:
        generator = torch.Generator("cuda").manual_seed(3)
        with token_downsampling(settings) if settings else nullcontext():
            return pipe(
                "a b", width=96, height=128, num_inference_steps=6, generator=generator,
                output_type="latent",
            ).images  # fmt: skip

    first = draw(BY_TWO)
    assert torch.equal(first, draw(BY_TWO))
    assert not torch.equal(first, draw(None))


@pytest.mark.parametrize("factor", [2, 3, 1.5])
def test_pooling_never_waits_for_the_gpu(factor: float) -> None:
    model, (latent, text) = unet(), inputs()
    with token_downsampling(Settings(factor=factor, threshold=4)) as report:
        report.position.sampler = "Euler"
        time = torch.tensor(500, device="cuda")
        for step in range(20):
            report.progress(step, 20)
            # the first call sets up PyTorch's libraries
            with no_waiting() if step else nullcontext():
                model(latent, time, text)
    assert report.pooled


@pytest.mark.parametrize(
    ("compiled", "mode", "settings"),
    [
        (torch.compile, "default", BY_TWO),
        (torch.compile, "reduce-overhead", BY_TWO),
        (torch.compile, "reduce-overhead", Settings(factor=3, deep_factor=2, threshold=4)),
        (by_blocks, "default", BY_TWO),
        (by_blocks, "reduce-overhead", BY_TWO),
    ],
)
def test_compiled_as_eager_with_its_phases_and_counts(
    compiled: Callable, mode: str, settings: Settings
) -> None:
    """Also where a CUDA graph is replayed, which runs no Python."""
    model = compiled(unet(), mode=mode, fullgraph=True, dynamic=False)
    plain, _ = sample(unet(), None)
    expected, expected_report = sample(unet(), settings)
    for _ in range(2):
        outputs, report = sample(model, settings)
        torch.testing.assert_close(outputs, expected, rtol=1e-3, atol=1e-3)
        assert report == expected_report
        torch.testing.assert_close(sample(model, None)[0], plain, rtol=1e-3, atol=1e-3)


def test_cuda_graphs_are_used_beside_pooling() -> None:
    counters.clear()
    sample(torch.compile(unet(), mode="reduce-overhead", fullgraph=True, dynamic=False), BY_TWO)
    assert counters["inductor"]["cudagraph_skips"] == 0


def test_a_cuda_graph_recorded_by_hand_keeps_a_fixed_phase() -> None:
    model, (latent, text) = unet(), inputs()
    time = torch.tensor(500, device="cuda")
    with token_downsampling(BY_TWO) as report:
        for _ in range(3):
            model(latent, time, text)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            recorded = model(latent, time, text).sample
        line = report.line()
    with pooled_by_hand(model, picker(2, (0, 0))):
        expected = model(latent, time, text).sample
    for _ in range(2):
        recorded.zero_()
        graph.replay()
        torch.testing.assert_close(recorded, expected)
    assert line.endswith("(phase fixed since the steps are not known)")


def test_the_rates_of_this_gpu() -> None:
    found = measure(torch.device("cuda"), torch.float16)
    assert min(found.products, found.bytes, *found.attention.values()) > 1e9
    assert 1e-6 < found.launch < 1e-3
    assert found.itemsize == 2
