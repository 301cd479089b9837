"""The patch on ComfyUI's attention: what it takes, what it leaves alone, what it counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from comfyui_stand_in import SETTINGS, SIGMAS, Patcher, call

from lib_todo import Settings
from lib_todo.hosts.comfyui import patch
from lib_todo.hosts.comfyui.sampling import GRID_KEY, Sampling
from lib_todo.reasons import Reason


def test_a_sampler_or_another_node_that_cannot_take_it_is_named() -> None:
    sampling = Sampling(SETTINGS, SIGMAS, "lms")
    assert {int(call(sampling, sigma)[0, 0, 0]) for sigma in SIGMAS[:-1]} == {0}
    assert "lms" in sampling.report.line()
    for place in (("input", 1), ("input", 1, 0)):
        sampling = Sampling(SETTINGS, SIGMAS, "euler")
        assert call(sampling, replaced=(place,)).shape[1] == 64
        assert [key[3] for key in sampling.report.tallies] == [Reason.REPLACED]


def test_threads_share_the_phase_and_are_counted_whole() -> None:
    sampling = Sampling(SETTINGS, SIGMAS, "euler")
    with ThreadPoolExecutor(4) as pool:
        for sigma in SIGMAS[:-1]:
            contexts = pool.map(call, [sampling] * 4, [sigma] * 4)
            assert len({int(context[0, 0, 0]) for context in contexts}) == 1
    assert sum(tally.calls for tally in sampling.report.pooled.values()) == 16


@pytest.mark.parametrize("frames", [4, 64])
def test_a_video_models_layer_over_time_is_neither_pooled_nor_counted(frames: int) -> None:
    """It comes right after the layer over the picture, with one token for each frame.

    As many frames as a picture has tokens make both layers' tokens alike in shape.
    """
    sampling = Sampling(SETTINGS, SIGMAS, "euler")
    shape = [frames, 3, 8, 8]
    picture, time = torch.zeros(frames, 64, 3), torch.zeros(64, frames, 3)
    call = sampling.begin_evaluation(14.6, (8, 8), frozenset())
    options = {patch.EVALUATION: call, GRID_KEY: shape, "block": ("input", 1)}
    layer = patch.keys_patch
    for index in range(2):
        options["block_index"] = index
        assert layer(picture, picture, picture, options)[1].shape[1] == 16
        assert layer(time, time, time, options)[1] is time
    options |= {GRID_KEY: list(shape), "block": ("input", 2)}
    assert layer(picture, picture, picture, options)[1].shape[1] == 16
    call.end()
    assert sampling.report.layers == 3 and not sampling.report.left_alone


def test_a_smaller_grid_is_decided_anew_after_a_larger_one() -> None:
    """As with Deep Shrink, whose first blocks may be smaller than the last ones."""
    sampling = Sampling(Settings(factor=2, deep_factor=4, threshold=4), SIGMAS, "euler")
    call = sampling.begin_evaluation(SIGMAS[-2], (16, 16), frozenset())
    kept = []
    for number, side in enumerate((8, 16, 8)):
        tokens = torch.zeros(1, side * side, 3)
        options = {patch.EVALUATION: call, GRID_KEY: [1, 3, side, side], "block": ("input", number)}
        kept.append(patch.keys_patch(tokens, tokens, tokens, options)[1].shape[1])
    call.end()
    # as the largest by 2, and as a deeper one by 4
    assert kept == [16, 64, 4]
    assert set(sampling.report.pooled) == {(64, 16), (256, 64), (64, 4)}


def test_without_a_sampling_or_a_grid_nothing_changes() -> None:
    tokens = torch.zeros(1, 64, 3)
    evaluation = Sampling(SETTINGS, SIGMAS, "euler").begin_evaluation(1.0, (8, 8), frozenset())
    options = {patch.EVALUATION: evaluation}
    assert all(out is tokens for out in patch.keys_patch(tokens, tokens, tokens, options))
    called: list[tuple] = []
    patch.call_with_patch(lambda *args: called.append(args), tokens, 1.0)
    assert called == [(tokens, 1.0, None, None, None, {})]


def test_the_last_node_counts() -> None:
    model = Patcher()
    once = patch.apply(model, SETTINGS, print)
    twice = patch.apply(once, Settings(), print)
    assert not model.wrappers
    (wrapper,) = twice.wrappers["outer_sample", patch.WRAPPERS_KEY]
    assert wrapper.settings == Settings()
