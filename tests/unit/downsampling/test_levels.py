"""Levels of a U-Net: which layers take factor and which deep_factor, at several sizes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldm_models import (
    image,
    randomised,
    run,
    run_unet,
    spatial_transformer,
    text,
    unet,
)
from self_attention import keys_computed
from settings_of import paper
from torch import nn

from lib_todo import token_downsampling
from lib_todo.reasons import Reason

Keys = list[tuple[int, int]]


@pytest.fixture(scope="module")
def models() -> list[nn.Module]:
    return [randomised(unet()) for _ in range(2)]


def at_level(side: int, *pooled_sides: int) -> Keys:
    """Queries and keys of one evaluation over a square latent: down, middle, up."""
    queries = [side**2, side**2 // 4, side**2 // 16, side**2 // 64]
    rows = list(zip(queries, [pooled**2 for pooled in pooled_sides], strict=True))
    layers = {0: 1, 1: 1, 2: 1}
    down = [rows[level] for level in layers for _ in range(layers[level])]
    up = [rows[level] for level in (2, 2, 1, 1, 0, 0)]
    return [*down, rows[3], *up]


def evaluate(model: nn.Module, side: int) -> Keys:
    with keys_computed(model) as seen:
        run_unet(model, side, side)
    return seen


def test_without_it_every_level_is_dense(models: list[nn.Module]) -> None:
    assert evaluate(models[0], 16) == at_level(16, 16, 8, 4, 2)


def test_factor_for_the_largest_and_deep_factor_for_the_rest(models: list[nn.Module]) -> None:
    with token_downsampling(paper(factor=4, deep_factor=2, threshold=4)) as report:
        assert evaluate(models[0], 32) == at_level(32, 8, 8, 4, 4)
    assert report.layers == 10
    assert {key: len(t.layers) for key, t in report.pooled.items()} == {
        (1024, 64): 3,
        (256, 64): 3,
        (64, 16): 3,
    }
    assert {why: len(t.layers) for why, t in report.left_alone.items()} == {
        Reason.BELOW_THRESHOLD: 1
    }


def test_automatic_by_level(models: list[nn.Module]) -> None:
    with token_downsampling(paper(threshold=8)):
        assert evaluate(models[0], 32) == at_level(32, 8, 8, 8, 4)


def test_one_of_the_two_may_be_one(models: list[nn.Module]) -> None:
    with token_downsampling(paper(factor=1, deep_factor=2, threshold=4)):
        assert evaluate(models[0], 16) == at_level(16, 16, 4, 4, 2)
    with token_downsampling(paper(factor=2, deep_factor=1, threshold=4)):
        assert evaluate(models[0], 16) == at_level(16, 8, 8, 4, 2)


def test_the_size_goes_up_and_down_in_one_with(models: list[nn.Module]) -> None:
    """Hires fix and the next batch: the largest grid is that of the evaluation, not of all."""
    model = models[0]
    with token_downsampling(paper(factor=4, deep_factor=2, threshold=4)):
        for side in (16, 32, 16, 8, 32):
            expected = {
                32: at_level(32, 8, 8, 4, 4),
                16: at_level(16, 4, 4, 4, 2),
                8: at_level(8, 2, 4, 2, 1),
            }[side]
            assert [evaluate(model, side) for _ in range(2)] == [expected] * 2


def test_an_evaluation_that_broke_off_does_not_count_for_the_next(models: list[nn.Module]) -> None:
    model = models[0]

    def fail(*_: object) -> None:
        raise RuntimeError

    with token_downsampling(paper(factor=4, deep_factor=2, threshold=4)):
        handle = model.middle_block.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError):
            evaluate(model, 32)
        handle.remove()
        assert evaluate(model, 16) == at_level(16, 4, 4, 4, 2)


def test_another_model_at_a_smaller_size(models: list[nn.Module]) -> None:
    """A hires checkpoint of its own, then the next batch's first pass with the first model."""
    with token_downsampling(paper(factor=4, deep_factor=2, threshold=4)) as report:
        for step, (model, side) in enumerate([(models[0], 32), (models[1], 16)]):
            report.progress(0, 1, ("hires", "first")[step])
            expected = {32: at_level(32, 8, 8, 4, 4), 16: at_level(16, 4, 4, 4, 2)}[side]
            assert evaluate(model, side) == expected


def test_another_model_after_entering_again(models: list[nn.Module]) -> None:
    downsampling = token_downsampling(paper(factor=4, deep_factor=2, threshold=4))
    with downsampling:
        evaluate(models[0], 32)
    with downsampling:
        assert evaluate(models[1], 16) == at_level(16, 4, 4, 4, 2)


def test_two_models_in_one_evaluation_share_the_largest() -> None:
    """ControlNet's own layers run before the U-Net's, over the same grids."""
    layers = [spatial_transformer() for _ in range(4)]
    with (
        token_downsampling(paper(factor=4, deep_factor=2, threshold=4)) as report,
        keys_computed(*layers) as seen,
    ):
        for step in range(2):
            report.progress(step, 2)
            for layer, side in zip(layers, (16, 8, 16, 8)):
                run(layer, image(side, side), text())
    assert seen == [(256, 16), (64, 16), (256, 16), (64, 16)] * 2


LAYERS = [[spatial_transformer() for _ in range(2)] for _ in range(3)]


@given(
    evaluations=st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([6, 8, 12]), st.integers(1, 2)),
        max_size=5,
    )
)
def test_any_order_of_models_and_sizes(evaluations: list[tuple[int, int, int]]) -> None:
    """Each evaluation told of by progress, and run once or twice (split cond and uncond)."""
    seen, wanted = [], []
    with token_downsampling(paper(factor=3, deep_factor=2, threshold=2)) as report:
        for step, (number, side, times) in enumerate(evaluations):
            report.progress(step, len(evaluations))
            model = LAYERS[number]
            with keys_computed(*model) as keys:
                for _ in range(times):
                    run(model[0], image(side, side), text())
                    run(model[1], image(side // 2, side // 2), text())
            seen += keys
            half = side // 2
            wanted += [
                (side**2, math.ceil(side / 3) ** 2),
                (half**2, math.ceil(half / 2) ** 2),
            ] * times
    assert seen == wanted
