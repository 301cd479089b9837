"""An ldm U-Net compiled whole, in place, by blocks, and anew for each call as Forge Neo does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

pytest.importorskip("ldm.modules.attention", reason="needs stable-diffusion-sdkit")

from compiling import in_place, whole
from ldm_models import TEXT_WIDTH, image, randomised, run, spatial_transformer, text, unet
from settings_of import paper
from torch import nn
from torch._dynamo.testing import CompileCounter

from lib_todo import Settings, token_downsampling, wording
from lib_todo.interception import graphs
from lib_todo.interception.active import here

pytestmark = [
    pytest.mark.usefixtures("fresh_graphs"),
    pytest.mark.skipif(
        not graphs.AVAILABLE, reason="nothing is pooled in a graph before PyTorch 2.4"
    ),
]
STEPS = 3
# settings, and the latent's height and width
OFF = None, (16, 12)
ON = Settings(factor=2, deep_factor=2, threshold=4), (16, 12)
OTHER = Settings(factor=3, threshold=8), (16, 12)
BELOW = paper(factor=2, threshold=8), (8, 8)
Case = tuple[Any, tuple[int, int]]
Call = Callable[..., torch.Tensor]


def by_blocks(model: nn.Module, **options: Any) -> Call:
    for block in [*model.input_blocks, model.middle_block, *model.output_blocks]:
        block.compile(**options)
    return model


def anew(model: nn.Module, **options: Any) -> Call:
    """With some guards dropped, as its preset `guard_filter_fn` has it."""

    def kept(guards: Sequence[Any]) -> list[bool]:
        return ["context" not in guard.name for guard in guards]

    options["options"] = {"guard_filter_fn": kept}
    return lambda *args, **kwargs: torch.compile(model, **options)(*args, **kwargs)


# each takes seconds to trace, so not every way with every order
BEFORE = (OFF, ON, OFF, ON)
INSIDE = (ON, OFF, OTHER, BELOW)
WAYS = [(whole, BEFORE), (whole, INSIDE), (in_place, BEFORE), (by_blocks, INSIDE), (anew, BEFORE)]


def model_of_the_test() -> nn.Module:
    torch.manual_seed(1)
    return randomised(unet(channel_mult=(1,), attention_resolutions=[]))


def sample(call: Call, case: Case) -> tuple[list[torch.Tensor], Any]:
    """What each step's evaluation gives, and the report."""
    settings, size = case
    generator = torch.Generator().manual_seed(2)
    latent = torch.randn(2, 4, *size, generator=generator)
    text = torch.randn(2, 5, TEXT_WIDTH, generator=generator)
    with token_downsampling(settings) if settings else contextlib.nullcontext() as report:
        outputs = [
            call(latent, torch.full((2,), 900.0 - 100 * step), context=text)
            for step in range(STEPS)
        ]
    return outputs, report


@pytest.mark.parametrize(("way", "order"), WAYS)
def test_as_uncompiled_in_every_order(way: Callable[..., Call], order: tuple[Case, ...]) -> None:
    counter = CompileCounter()
    call = way(model_of_the_test(), backend=counter, dynamic=False)
    plain = model_of_the_test()
    for case in order:
        outputs, report = sample(call, case)
        expected, expected_report = sample(plain, case)
        for output, wanted in zip(outputs, expected, strict=True):
            assert torch.equal(output, wanted)
        assert (report and report.to_list()) == (expected_report and expected_report.to_list())
    made = counter.frame_count
    for case in order:
        sample(call, case)
    # every graph was found again
    assert counter.frame_count == made


@pytest.mark.parametrize("way", [whole, by_blocks])
def test_a_graph_made_without_todo_is_named_where_it_runs_nevertheless(
    way: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "enter_own", lambda: None)
    model = model_of_the_test()
    call = way(model, backend="eager", dynamic=False)
    sample(call, OFF)
    _, report = sample(call, ON)
    assert report.line() == wording.nothing_pooled(wording.COMPILED)


def test_nothing_of_ours_is_left_in_the_thread() -> None:
    model, seen = model_of_the_test(), []

    def fail(*_: object) -> None:
        seen.append(torch.is_autocast_enabled("ipu"))
        raise RuntimeError("inside")

    model.middle_block.register_forward_pre_hook(fail)
    torch.compile(lambda x: x + 1, backend="eager")(torch.zeros(1))
    with pytest.raises(RuntimeError, match="inside"):
        sample(model, ON)
    assert seen == [True]
    assert not torch.is_autocast_enabled("ipu")


def test_a_transformer_outside_of_any_model_leaves_nothing_for_later_graphs() -> None:
    transformer = spatial_transformer()
    transformer.transformer_blocks[0].ff.compile(backend="eager")
    with token_downsampling(paper(factor=2, threshold=4)) as report:
        run(transformer, image(8, 8), text())
        assert report.pooled
        assert here.pooling is here.cut is None
    assert not torch.is_autocast_enabled("ipu")
