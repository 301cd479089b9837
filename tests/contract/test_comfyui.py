"""The ComfyUI code on stand-ins: everything that can be checked without ComfyUI."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.rates import typical
from lib_todo.cost.speedup import in_words, of_step
from lib_todo.hosts.comfyui import node_text, patch
from lib_todo.hosts.comfyui.node_text import texts
from lib_todo.hosts.comfyui.sampling import GRID_KEY, Sampling
from lib_todo.hosts.comfyui.schedule import step_begun, step_of
from lib_todo.phase import phase_order
from lib_todo.reasons import Reason

SIGMAS = (14.6, 6.0, 2.0, 0.5, 0.0)
SETTINGS = Settings(threshold=4, factor=2, deep_factor=1)


class Patcher:
    """ComfyUI's ModelPatcher, as far as it is used."""

    def __init__(self) -> None:
        self.model_options = {"transformer_options": {}}
        self.wrappers: dict[tuple[str, str], list] = {}

    def clone(self) -> Patcher:
        return copy.deepcopy(self)

    def set_model_attn1_patch(self, function: object) -> None:
        patches = self.model_options["transformer_options"].setdefault("patches", {})
        patches.setdefault("attn1_patch", []).append(function)

    def add_wrapper_with_key(self, kind: str, key: str, wrapper: object) -> None:
        self.wrappers.setdefault((kind, key), []).append(wrapper)

    def remove_wrappers_with_key(self, kind: str, key: str) -> None:
        self.wrappers.pop((kind, key), None)

    @property
    def attn1(self) -> list:
        return self.model_options["transformer_options"].get("patches", {}).get("attn1_patch", [])


def call(
    sampling: Sampling, sigma: float = 14.6, replaced: tuple = (), side: int = 8
) -> torch.Tensor:
    """The context that the patch makes of a grid of numbered tokens; the model's whole way."""
    seen = []

    def model(x, t, c_concat, c_crossattn, control, options, **kwargs):
        assert options["patches"]["attn1_patch"] == [print, patch.keys_patch]
        options |= {"activations_shape": [1, 3, side, side], "block": ("input", 1)}
        tokens = torch.arange(side * side).float().reshape(1, -1, 1).expand(1, -1, 3)
        n, context, value = patch.keys_patch(tokens, tokens, tokens, options)
        assert n is tokens and value is context
        seen.append(context)

    options = {
        patch.SAMPLING: sampling,
        "sigmas": torch.tensor([sigma]),
        "patches_replace": {"attn1": dict.fromkeys(replaced, print)},
        "patches": {"attn1_patch": [patch.keys_patch, print]},
    }
    patch.prepare_evaluation(model, torch.zeros(1, 4, side, side), None, None, None, None, options)
    assert patch.EVALUATION not in options, "the caller's own options stay as they are"
    return seen[0]


def test_step_by_sigma() -> None:
    levels = (20.0, 14.6 * (1 + 1e-6), 14.6, 7.0, 6.0 * (1 + 1e-6), 6.0, 2.0, 0.5, 0)
    assert [step_of(level, SIGMAS) for level in levels] == [0, 0, 0, 0, 1, 1, 2, 3, 3]
    # turned back into noise
    levels = (0.0, 0.5 * (1 - 1e-6), 0.5, 1.0, 2.0, 6.0)
    assert [step_of(level, SIGMAS[::-1]) for level in levels] == [0, 1, 1, 1, 2, 3]


def sample_heunpp2(model: Callable, sigmas: torch.Tensor) -> list[object]:
    """As ComfyUI's: a step looks at its end and at the next one's, too."""
    seen = []
    for i in range(len(sigmas) - 1):
        seen += [model(float(level)) for level in sigmas[i : i + 3] if level > 0]
    return seen


def sample_in_slices(model: Callable, sigmas: torch.Tensor) -> list[object]:
    """A sampler that hands another one two levels at a time."""
    seen = []
    for i in range(len(sigmas) - 1):
        seen += sample_heunpp2(model, sigmas[i : i + 2])
    return seen


def sample_uncounted(model: Callable, sigmas: torch.Tensor, i: object = None) -> list[object]:
    """It leaves the step to the levels; a step keeps its phase."""
    return [model(level) for level in (14.6, 14.6, 6.0, 2.0, 0.5)]


@pytest.mark.parametrize(
    ("sampler", "steps"),
    [
        (sample_heunpp2, [0, 0, 0, 1, 1, 1, 2, 2, 3]),
        (sample_in_slices, [0, 0, 1, 1, 2, 2, 3]),
        *[(partial(sample_uncounted, i=i), [0, 0, 1, 2, 3]) for i in (None, 7, 1.0)],
    ],
)
def test_what_a_step_looks_ahead_at_belongs_to_it(sampler: Callable, steps: list[int]) -> None:
    sampling = Sampling(SETTINGS, SIGMAS, "heunpp2")
    taken = sampler(lambda sigma: int(call(sampling, sigma)[0, 0, 0]), torch.tensor(SIGMAS))
    assert taken == [PHASES[step] for step in steps]


@pytest.mark.parametrize(
    ("sigmas", "level"),
    [(None, None), (torch.tensor(2.0), None), (list(SIGMAS), None), (torch.tensor(SIGMAS), 14.6)],
)
def test_a_samplers_variables_are_looked_at_and_not_kept(sigmas: Any, level: float | None) -> None:
    def sample(sigmas: Any, i: int = 0) -> tuple[float | None, object]:
        latent = Patcher()
        alive = weakref.ref(latent)
        begun = step_begun()
        del latent
        return begun, alive()

    assert sample(sigmas) == (pytest.approx(level), None)


LONG = (*(2 * 0.7**step for step in range(10)), 0.0)
PHASES = [row * 8 + column for row, column in phase_order(2)] * 3


class KSampler:
    """As ComfyUI's: it has the whole schedule, and samples from one step to another."""

    def __init__(self, wrapper: patch.SampleWrapper) -> None:
        self.sigmas = torch.tensor(LONG)
        self.wrapper = wrapper

    def sample(self, first: int, last: int, to_zero: bool = False) -> list[int]:
        part = self.sigmas[: last + 1]
        if to_zero:
            part[-1] = 0
        return sampled(self.wrapper, part[first:])


def sampled(wrapper: patch.SampleWrapper, sigmas: torch.Tensor) -> list[int]:
    """The first tokens that each step of a sampling through the wrapper takes."""
    guider, function = Patcher(), SimpleNamespace(__name__="sample_euler")

    def execute(noise, latent, sampler, sigmas, **kwargs):
        assert kwargs == {"seed": 1}
        sampling = guider.model_options["transformer_options"][patch.SAMPLING]
        return [int(call(sampling, float(level))[0, 0, 0]) for level in sigmas[:-1]]

    execute.class_obj = guider
    return wrapper(execute, None, None, SimpleNamespace(sampler_function=function), sigmas, seed=1)


@pytest.mark.parametrize("to_zero", [False, True])
def test_a_ksamplers_part_knows_its_place_in_the_whole_schedule(to_zero: bool) -> None:
    told: list[Sampling] = []
    wrapper = patch.SampleWrapper(SETTINGS, told.append)
    # the second half alone: ComfyUI keeps the first one's result
    assert KSampler(wrapper).sample(5, 10) == PHASES[5:10]
    assert KSampler(wrapper).sample(0, 5, to_zero) == PHASES[:5]
    assert told[0].report.position.sampler == "euler"
    assert told[0].sigmas == pytest.approx(LONG)
    assert told[1].sigmas == pytest.approx((*LONG[:5], 0) if to_zero else LONG)
    assert "in all 5 steps from 6 to 10 of 10" in told[0].report.line()


def test_steps_one_at_a_time_go_on_and_tiles_share_them() -> None:
    told: list[Sampling] = []
    wrapper, schedule = patch.SampleWrapper(SETTINGS, told.append), torch.tensor(LONG)
    taken = [sampled(wrapper, schedule[step : step + 2]) for step in range(10) for _ in "ab"]
    # three steps are too few to move in
    expected = [0, 0, 0, *PHASES[3:10]]
    assert taken == [[token] for token in expected for _ in "ab"]
    assert told[-1].sigmas == pytest.approx(LONG)
    assert "in its step 10 of 10" in told[-1].report.line()
    # the next picture, and another pass over the end of the schedule
    assert sampled(wrapper, schedule) == PHASES[:10]
    assert sampled(wrapper, schedule[4:]) == PHASES[:6]
    assert told[-1].sigmas == pytest.approx(LONG[4:])


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


def test_without_a_sampling_or_a_grid_nothing_changes() -> None:
    tokens = torch.zeros(1, 64, 3)
    evaluation = Sampling(SETTINGS, SIGMAS, "euler").begin_evaluation(1.0, (8, 8), frozenset())
    for options in ({}, {patch.EVALUATION: evaluation}):
        assert all(out is tokens for out in patch.keys_patch(tokens, tokens, tokens, options))


def test_the_last_node_counts_and_others_stay() -> None:
    model = Patcher()
    model.set_model_attn1_patch(print)
    once = patch.apply(model, SETTINGS, print)
    twice = patch.apply(once, Settings(), print)
    assert model.attn1 == [print] and not model.wrappers
    assert once.attn1 == twice.attn1 == [print, patch.keys_patch]
    (wrapper,) = twice.wrappers[patch.OUTER_SAMPLE, patch.WRAPPERS_KEY]
    assert wrapper.settings == Settings()


@pytest.mark.parametrize(
    ("sampler", "start", "end", "said"),
    [
        ("euler", 0, 1, "{own} times as fast, in the first quarter {papers}"),
        ("euler", 0, 0.25, "{papers} times as fast"),
        ("euler", 0.25, 1, "{own} times as fast"),
        # to LMS, balanced has the paper's factors
        ("lms", 0, 1, "{papers} times as fast"),
    ],
)
def test_the_texts_expect_what_the_cost_model_says(
    monkeypatch: pytest.MonkeyPatch, sampler: str, start: float, end: float, said: str
) -> None:
    rates, shape = typical("cpu"), SHAPES["SD 1.x"]
    monkeypatch.setattr(node_text, "candidates", lambda: rates)
    # the second step is neither in the lead-in nor takes most of the noise away
    sigmas = (14.6, 6.2, 2.6, 0.98, 0.0)
    sampling = Sampling(Settings(threshold=4, start=start, end=end), sigmas, sampler)
    call(sampling, 6.2 if start else 14.6, side=16)
    own, papers = (
        in_words(of_step(shape, (16, 16), Settings(threshold=4, **scales), rates))
        for scales in ({}, {"scale": 1, "deep_scale": 0})
    )
    assert own > papers
    line, short = texts(sampling, shape)
    expected = f"expected: {said.format(own=own, papers=papers)}"
    assert line.endswith(f"; {expected}")
    assert short.endswith(f";\n{expected}".replace(", ", ",\n"))
    assert "times as fast" not in texts(sampling, None)[0]


def test_the_text_says_what_was_left_alone_and_why_nothing_was_pooled() -> None:
    left = Sampling(SETTINGS, SIGMAS, "euler")
    call(left)
    call(left, replaced=(("input", 1),))
    line, short = texts(left, None)
    assert short.startswith("64×64: 1 of 1 self-attention layers,\nin ")
    assert "1 whose self-attention other code replaces" in short
    assert line.startswith("ToDo (64×64): 64 → 16 keys in 1 of 1")
    small = Sampling(Settings(threshold=8), SIGMAS, "euler")
    call(small)
    line, short = texts(small, SHAPES["SD 1.x"])
    why = "nothing was pooled: no layer is above the threshold, the largest has 8×8 tokens"
    assert short.startswith(f"64×64: {why}")
    assert line.startswith(f"ToDo (64×64): {why}")
    assert "times as fast" not in line
