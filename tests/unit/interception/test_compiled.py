"""U-Nets of diffusers and ldm that torch.compile compiled, inside the with and before it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")
pytest.importorskip("ldm.modules.attention", reason="needs stable-diffusion-sdkit")

import diffusers_models
import ldm_models
from diffusers_models import by_blocks
from self_attention import self_attentions
from settings_of import paper
from torch import nn
from torch._dynamo.testing import CompileCounter

from lib_todo import Settings, bind, token_downsampling, wording
from lib_todo.interception import graphs, signs
from lib_todo.interception.active import here
from lib_todo.reasons import Reason

pytestmark = [
    pytest.mark.usefixtures("fresh_graphs"),
    pytest.mark.skipif(
        not graphs.AVAILABLE, reason="nothing is pooled in a graph before PyTorch 2.4"
    ),
]
# (settings, latent's height and width); None: no with at all
ON = Settings(factor=2, deep_factor=2, threshold=4), (16, 12)
FIXED = paper(factor=2, threshold=8), (16, 12)
OTHER = Settings(factor=3, threshold=8), (16, 12)
BELOW = paper(factor=2, threshold=8), (8, 8)
ODD = Settings(factor=2, threshold=8), (15, 11)
OFF = None, (16, 12)
Case = tuple[Any, tuple[int, int]]
Call = Callable[..., Any]


whole: Callable[..., Call] = torch.compile


def in_place(model: nn.Module, **options: Any) -> Call:
    model.compile(**options)
    return model


def ldm_unet() -> nn.Module:
    torch.manual_seed(1)
    return ldm_models.randomised(ldm_models.unet(channel_mult=(1,), attention_resolutions=[]))


def by_ldms_blocks(model: nn.Module, **options: Any) -> Call:
    for block in [*model.input_blocks, model.middle_block, *model.output_blocks]:
        block.compile(**options)
    return model


def anew(model: nn.Module, **options: Any) -> Call:
    """For each call, as Forge Neo does, with guards dropped by its preset's `guard_filter_fn`."""

    def kept(guards: Sequence[Any]) -> list[bool]:
        return ["context" not in guard.name for guard in guards]

    options["options"] = {"guard_filter_fn": kept}
    return lambda *args, **kwargs: torch.compile(model, **options)(*args, **kwargs)


def compile_as(way: Callable[..., Call], make: Callable = diffusers_models.unet) -> Any:
    counter = CompileCounter()
    is_one_graph = make is diffusers_models.unet
    return way(make(), backend=counter, fullgraph=is_one_graph, dynamic=False), counter


def sample(call: Call, case: Case, make: Callable, steps: int) -> tuple[list[torch.Tensor], Any]:
    """What each step's evaluation gives, and the report."""
    settings, size = case
    generator, outputs = torch.Generator().manual_seed(1), []
    latent = torch.randn(2, 4, *size, generator=generator)
    is_ldm = make is ldm_unet
    width = ldm_models.TEXT_WIDTH if is_ldm else diffusers_models.TEXT_WIDTH
    text = torch.randn(2, 5, width, generator=generator)
    with token_downsampling(settings) if settings else contextlib.nullcontext() as report:
        for timestep in (900.0 - 100 * step for step in range(steps)):
            if is_ldm:
                outputs.append(call(latent, torch.full((2,), timestep), context=text))
            else:
                outputs.append(call(latent, torch.tensor(timestep), text, return_dict=False)[0])
    return outputs, report


# each takes seconds to trace, so not every way with every order
BEFORE, INSIDE = (OFF, ON, OFF, ON), (ON, OFF, OTHER, BELOW)
WINDOW = paper(factor=2, threshold=8, end=0.5), (16, 12)


@pytest.mark.parametrize(
    ("make", "way", "order", "graphs_made"),
    [
        *[
            (diffusers_models.unet, way, order, 3)
            for way in (whole, in_place)
            for order in ((OFF, ON, OFF, ON, BELOW, OFF), (ON, OFF, BELOW, ON))
        ],
        # one for each level
        (diffusers_models.unet, by_blocks, (OFF, ON, OFF, ON, ODD), 6),
        # it closes with the timesteps
        (diffusers_models.unet, whole, (WINDOW,), 2),
        *[(ldm_unet, way, BEFORE, None) for way in (whole, in_place, anew)],
        *[(ldm_unet, way, INSIDE, None) for way in (whole, by_ldms_blocks)],
    ],
)
def test_as_uncompiled_in_every_order(
    make: Callable, way: Callable[..., Call], order: tuple[Case, ...], graphs_made: int | None
) -> None:
    (call, counter), plain = compile_as(way, make), make()
    steps = 3 if make is ldm_unet else 8
    for case in order:
        outputs, report = sample(call, case, make, steps)
        expected, expected_report = sample(plain, case, make, steps)
        atol = 0 if make is ldm_unet else 1e-5
        torch.testing.assert_close(outputs, expected, rtol=0, atol=atol)
        assert not report or report.to_list() == expected_report.to_list()
    made = counter.frame_count
    assert made == (graphs_made or made)
    for case in order:
        sample(call, case, make, steps)
    # every graph was found again
    assert counter.frame_count == made


@pytest.mark.parametrize("way", [whole, in_place])
def test_a_bound_model_has_the_same_graphs(way: Callable[..., Call]) -> None:
    make = diffusers_models.unet
    model, counter = compile_as(way)
    expected, expected_report = sample(make(), FIXED, make, 3)
    plain, _ = sample(make(), OFF, make, 3)
    for _ in range(2):
        outputs, _ = sample(model, OFF, make, 3)
        torch.testing.assert_close(outputs, plain, rtol=0, atol=1e-5)
        with bind(model, FIXED[0]) as binding, ThreadPoolExecutor(1) as pool:
            outputs, _ = pool.submit(sample, model, OFF, make, 3).result(300)
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-5)
        assert binding.report.to_list() == expected_report.to_list()
    assert counter.frame_count == 2


@pytest.mark.parametrize("way", [whole, by_ldms_blocks])
def test_a_graph_made_without_todo_is_named_where_it_runs_nevertheless(
    way: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "enter_own", lambda: None)
    call = way(ldm_unet(), backend="eager", dynamic=False)
    sample(call, OFF, ldm_unet, 1)
    _, report = sample(call, ON, ldm_unet, 1)
    assert report.line() == wording.nothing_pooled(wording.COMPILED)


@pytest.mark.parametrize(
    ("make", "way"),
    [(ldm_unet, whole), (ldm_unet, by_ldms_blocks), (diffusers_models.unet, by_blocks)],
)
def test_a_layer_that_other_code_uses_is_left_to_it(
    make: Callable, way: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "_checks", [("mark", lambda layer: layer.mark)])
    for mark, left_alone in ((Reason.HYPERTILE, 1), (None, 0)):
        model = make()
        layers = self_attentions(model)
        layers[0].mark = mark
        _, report = sample(way(model, backend="eager", dynamic=False), ON, make, 1)
        assert {why: t.calls for why, t in report.left_alone.items()} == {mark: 1} or not mark
        calls = sum(tally.calls for tally in report.pooled.values())
        assert calls == len(layers) - left_alone


def test_nothing_of_ours_is_left_in_the_thread() -> None:
    model, seen = ldm_unet(), []

    def fail(*_: object) -> None:
        seen.append(torch.is_autocast_enabled("ipu"))
        raise RuntimeError("inside")

    model.middle_block.register_forward_pre_hook(fail)
    torch.compile(lambda x: x + 1, backend="eager")(torch.zeros(1))
    with pytest.raises(RuntimeError, match="inside"):
        sample(model, ON, ldm_unet, 1)
    assert seen == [True]
    assert not torch.is_autocast_enabled("ipu")
    # nor by a transformer outside of any model
    transformer = ldm_models.spatial_transformer()
    transformer.transformer_blocks[0].ff.compile(backend="eager")
    with token_downsampling(paper(factor=2, threshold=4)) as report:
        ldm_models.run(transformer, ldm_models.image(8, 8), ldm_models.text())
        assert report.pooled
        assert here.pooling is here.cut is None
    assert not torch.is_autocast_enabled("ipu")


SAVED: dict[str, Callable[[nn.Module, tuple], Callable]] = {
    "jit.trace": lambda model, args: torch.jit.trace(model, args, check_trace=False),
    "export": lambda model, args: torch.export.export(model, args, strict=False).module(),
}


@pytest.mark.parametrize("way", SAVED)
def test_a_saved_program_is_pooled_and_the_report_can_be_read(way: str) -> None:
    model = diffusers_models.OfTensors()
    text = torch.randn(2, 5, diffusers_models.TEXT_WIDTH)
    args = torch.randn(2, 4, 16, 12), torch.tensor(500), text
    with token_downsampling(FIXED[0]):
        expected = model(*args)
    with token_downsampling(FIXED[0]) as report:
        program = SAVED[way](model, args)
    torch.testing.assert_close(program(*args), expected, rtol=0, atol=1e-5)
    assert "todo" not in str(program.graph)
    assert "tensor" not in f"{report.line()} {report.to_dict()}"
