"""The text of the ComfyUI node: what is expected, what was left alone, why nothing was pooled."""

from __future__ import annotations

import pytest
from comfyui_stand_in import SETTINGS, SIGMAS, call

from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.rates import typical
from lib_todo.cost.speedup import Pass, in_words
from lib_todo.hosts.comfyui import node_text
from lib_todo.hosts.comfyui.node_text import texts
from lib_todo.hosts.comfyui.sampling import Sampling


@pytest.mark.parametrize(
    ("sampler", "start", "end", "said"),
    [
        ("euler", 0, 1, "{own} times as fast, by the paper's factors {papers}"),
        ("euler", 0, 0.25, "{papers} times as fast"),
        # in the last step, too
        ("euler", 0.25, 1, "{own} times as fast, by the paper's factors {papers}"),
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
    sigmas = (2.9, 1.24, 0.52, 0.2, 0.0)
    sampling = Sampling(Settings(threshold=4, start=start, end=end), sigmas, sampler)
    call(sampling, sigmas[1 if start else 0], side=16)
    assert "times as fast" not in texts(sampling)[0]
    sampling.shape = shape
    whole = Pass(shape, (128, 128))
    own, papers = (
        in_words(whole.gain({Settings(threshold=4, **scales): 1.0}, rates))
        for scales in ({}, {"scale": 1, "deep_scale": 0})
    )
    assert own > papers
    line, short = texts(sampling)
    expected = f"expected: {said.format(own=own, papers=papers)}"
    assert line.endswith(f"; {expected}")
    assert short.endswith(f";\n{expected}".replace(", ", ",\n"))


def test_the_text_says_what_was_left_alone_and_why_nothing_was_pooled() -> None:
    left = Sampling(SETTINGS, SIGMAS, "euler")
    call(left)
    call(left, replaced=(("input", 1),))
    line, short = texts(left)
    assert short.startswith("64×64: 1 of 1 self-attention layers,\nin ")
    assert "1 whose self-attention other code replaces" in short
    assert line.startswith("ToDo (64×64): 64 → 16 keys in 1 of 1")
    small = Sampling(Settings(threshold=8), SIGMAS, "euler")
    small.shape = SHAPES["SD 1.x"]
    assert small.begin_evaluation(SIGMAS[0], (8, 8), frozenset()) is None
    line, short = texts(small)
    why = "nothing was pooled: no layer is above the threshold, the largest has 8×8 tokens"
    assert short.startswith(f"64×64: {why}")
    assert line.startswith(f"ToDo (64×64): {why}")
    assert "times as fast" not in line
