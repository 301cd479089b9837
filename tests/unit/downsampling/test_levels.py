"""Levels of a U-Net: which layers take factor and which deep_factor, at several sizes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldm_models import image, randomised, run, run_unet, spatial_transformer, text, unet
from self_attention import keys_computed
from settings_of import paper
from torch import nn

from lib_todo import token_downsampling
from lib_todo.reasons import Reason

Keys = list[tuple[int, int]]


MODELS = [randomised(unet()) for _ in range(2)]


def at_level(side: int, *pooled_sides: int) -> Keys:
    """Queries and keys of one evaluation over a square latent: down, middle, up."""
    rows = [((side // 2**n) ** 2, pooled**2) for n, pooled in enumerate(pooled_sides)]
    return [rows[level] for level in (0, 1, 2, 3, 2, 2, 1, 1, 0, 0)]


FOUR_AND_TWO = paper(factor=4, deep_factor=2, threshold=4)
# what an evaluation has by these settings, by the latent's side
WANTED = {32: at_level(32, 8, 8, 4, 4), 16: at_level(16, 4, 4, 4, 2), 8: at_level(8, 2, 4, 2, 1)}


def evaluate(model: nn.Module, side: int) -> Keys:
    with keys_computed(model) as seen:
        run_unet(model, side, side)
    return seen


def test_the_size_goes_up_and_down_and_models_change_in_one_with() -> None:
    """Hires fix and the next batch: the largest grid is that of the evaluation, not of all."""

    def fail(*_: object) -> None:
        raise RuntimeError

    downsampling = token_downsampling(FOUR_AND_TWO)
    for _ in range(2):
        with downsampling as report:
            for number, side in ((0, 16), (0, 32), (0, 16), (0, 8), (1, 32), (0, 16)):
                assert [evaluate(MODELS[number], side) for _ in range(2)] == [WANTED[side]] * 2
            hook = MODELS[0].middle_block.register_forward_pre_hook(fail)
            with hook, pytest.raises(RuntimeError):
                evaluate(MODELS[0], 32)
            assert evaluate(MODELS[0], 16) == WANTED[16]
            assert evaluate(MODELS[1], 32) == WANTED[32]
    assert report.layers == 20
    assert {why: len(t.layers) for why, t in report.left_alone.items()} == {
        Reason.BELOW_THRESHOLD: 8
    }


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
