"""Inside the `with`, diffusers' U-Nets compute attention over explicitly pooled tokens."""

from __future__ import annotations

import math
import types
from pathlib import Path
from typing import Any

import pooling_reference as reference
import pytest
import torch

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import (
    AutoPipelineForImage2Image,
    ControlNetModel,
    HeunDiscreteScheduler,
)
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from diffusers.models import attention_processor
from diffusers.models.attention_processor import (
    Attention,
    AttnProcessor,
    AttnProcessor2_0,
    SlicedAttnProcessor,
    XFormersAttnProcessor,
)
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from settings_of import paper

from lib_todo import token_downsampling
from lib_todo.hosts.diffusers import StepProgress
from lib_todo.plan import level_grid, pooled_grid
from lib_todo.settings import METHODS

UNETS = {
    "SD 1.x": (models.unet(), 1),
    "SD 2.x": (models.unet_sd2(), 1),
    "SDXL": (models.unet_sdxl(), 2),
}
PROMPT = "a fox on a beach"


def by_loops(latent: tuple[int, int], downscale: int, factor: float, method: str = "nearest"):
    """Pools the tokens of the level at 1/`downscale` and leaves every other level's alone."""
    grid = level_grid(latent, downscale)

    def pool(tokens: torch.Tensor) -> torch.Tensor | None:
        if tokens.shape[1] != grid[0] * grid[1]:
            return None
        return reference.pool(tokens, grid, factor, method).to(tokens.dtype)

    return pool


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("latent", "factor"), [((10, 10), 2), ((8, 11), 3), ((9, 7), 2.5), ((4, 14), 4)]
)
@pytest.mark.parametrize("name", UNETS)
def test_any_shape_factor_and_method(
    name: str, latent: tuple[int, int], factor: float, method: str
) -> None:
    model, downscale = UNETS[name]
    settings = paper(factor=factor, deep_factor=1, threshold=2, method=method)
    with token_downsampling(settings) as report:
        got = models.run_unet(model, *latent)
    with models.pooled_by_hand(model, by_loops(latent, downscale, factor, method)):
        wanted = models.run_unet(model, *latent)
    torch.testing.assert_close(got, wanted)
    assert not torch.allclose(got, models.run_unet(model, *latent), atol=1e-4)
    grid = level_grid(latent, downscale)
    assert list(report.pooled) == [(math.prod(grid), math.prod(pooled_grid(grid, factor)))]


def test_both_levels_by_their_own_factor() -> None:
    model, _ = UNETS["SD 1.x"]
    settings = paper(factor=4, deep_factor=2, threshold=4)
    with token_downsampling(settings) as report, models.keys_computed(model) as seen:
        models.run_unet(model, 16, 16)
    assert sorted(set(seen)) == [(64, 16), (256, 16)]
    assert report.line() == "ToDo: 256 → 16 keys in 3, 64 → 16 keys in 4 of 7 self-attention layers"


def test_at_its_native_size_nothing_changes() -> None:
    model, _ = UNETS["SD 1.x"]
    with token_downsampling(paper(threshold=8)) as report:
        got = models.run_unet(model, 8, 8)
    assert torch.equal(got, models.run_unet(model, 8, 8))
    assert report.line(8) == "ToDo: nothing was pooled: no layer has more than 8×8 tokens"


def plain_attention(layer: Attention, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """Softmax attention by the layer's weights, written out."""
    queries, keys, values = layer.to_q(x), layer.to_k(context), layer.to_v(context)
    heads = []
    for q, k, v in zip(*(t.chunk(layer.heads, dim=-1) for t in (queries, keys, values))):
        heads.append(torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1) @ v)
    return layer.to_out[0](torch.cat(heads, dim=-1))


def stand_in_for_xformers(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_bias: None, op: None, scale: float
) -> torch.Tensor:
    """What its memory_efficient_attention computes; the real one needs a GPU."""
    return torch.softmax(q @ k.mT * scale, dim=-1) @ v


@pytest.mark.parametrize(
    "cls", [AttnProcessor, AttnProcessor2_0, SlicedAttnProcessor, XFormersAttnProcessor]
)
def test_every_attention_processor(cls: type, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = types.SimpleNamespace(memory_efficient_attention=stand_in_for_xformers)
    monkeypatch.setattr(attention_processor, "xformers", types.SimpleNamespace(ops=ops))
    model = models.unet()
    model.set_attn_processor(cls(slice_size=1) if cls is SlicedAttnProcessor else cls())
    layer, calls = models.self_attentions(model)[0], []
    handle = layer.register_forward_hook(
        lambda _, args, kwargs, out: calls.append((args[0], out)), with_kwargs=True
    )
    with token_downsampling(paper(factor=2, deep_factor=1, threshold=2)):
        got = models.run_unet(model, 10, 7)
    handle.remove()
    with models.pooled_by_hand(model, by_loops((10, 7), 1, 2)):
        torch.testing.assert_close(got, models.run_unet(model, 10, 7))
    ((x, out),) = calls
    pooled = reference.pool(x, (10, 7), 2, "nearest").to(x.dtype)
    torch.testing.assert_close(out, plain_attention(layer, x, pooled))


def test_fused_projections_pass_through_and_are_told() -> None:
    model = models.unet()
    model.fuse_qkv_projections()
    wanted = models.run_unet(model, 16, 16)
    with token_downsampling(paper(threshold=8)) as report:
        got = models.run_unet(model, 16, 16)
    assert torch.equal(got, wanted)
    assert report.line() == "ToDo: nothing was pooled: 3 layers with fused projections"


def test_a_masked_call_passes_through() -> None:
    # one level only: a mask has one size for all layers
    masks = {"attention_mask": torch.ones(2, 16 * 16)}
    latent, text = torch.randn(2, 4, 16, 16), torch.randn(2, 5, models.TEXT_WIDTH)
    model = models.unet(
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        mid_block_type=None,
    )
    wanted = model(latent, 500, text, **masks).sample
    with token_downsampling(paper(threshold=8)) as report:
        got = model(latent, 500, text, **masks).sample
    assert torch.equal(got, wanted)
    assert "masked" in report.line()


def test_a_control_nets_layers_are_pooled_too() -> None:
    control = models.randomised(ControlNetModel.from_unet(models.unet()))
    latent, text = torch.randn(2, 4, 16, 16), torch.randn(2, 5, models.TEXT_WIDTH)
    with token_downsampling(paper(threshold=8)) as report, models.keys_computed(control) as seen:
        control(latent, 500, text, controlnet_cond=torch.randn(2, 3, 128, 128))
    assert seen == [(256, 64), (64, 64), (64, 64)]
    assert report.layers == 3


def test_nothing_is_left_on_the_classes() -> None:
    model, _ = UNETS["SD 1.x"]
    with pytest.raises(RuntimeError), token_downsampling(paper(threshold=8)):
        assert "__call__" in vars(Attention)
        assert "__call__" in vars(Transformer2DModel)
        model(torch.randn(2, 5, 16, 16), 500, torch.randn(2, 5, models.TEXT_WIDTH))
    assert "__call__" not in vars(Attention)
    assert "__call__" not in vars(Transformer2DModel)


# whole pipelines


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
    with models.keys_computed(pipe.unet) as seen:
        generate(pipe, **options)
    return [keys for _, keys in seen[:: len(models.self_attentions(pipe.unet))]]


WHOLE, POOLED = 192, 48


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
        with models.keys_computed(pipe.unet) as seen:
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
