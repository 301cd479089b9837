"""Seconds per step: which pictures are compared, and what is told of them later."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_todo import Settings
from lib_todo.hosts.webui.hint.step_times import Seen, StepTimes, kind_of

SETTINGS = Settings()


class Picture:
    """A generation as the host has it."""

    def __init__(self, **given: Any) -> None:
        self.cfg_scale, self.batch_size, self.s_min_uncond = 7, 1, 0
        self.extra_generation_params: dict[str, Any] = {}
        self.sd_model = types.SimpleNamespace(
            sd_checkpoint_info=types.SimpleNamespace(filename="a.safetensors")
        )
        self.__dict__.update(given)


def kind(p: Any = None, batch: int = 2, lengths: tuple[int, int] = (77, 77), **given: Any) -> Any:
    texts = (torch.empty(1, length, 8) for length in lengths)
    params = types.SimpleNamespace(
        x=torch.empty(batch, 4, 128, 128), **dict(zip(("text_cond", "text_uncond"), texts))
    )
    return kind_of(p or Picture(), params, given.get("sampler", "Euler"), given.get("attn", "sdp"))


def make(
    times: StepTimes, now: list[float], settings: Settings | None, steps: list[float], of: Any
) -> Picture:
    p = Picture()
    for step, seconds in enumerate(steps):
        times.evaluation(p, step, len(steps), "first", of, settings)
        now[0] += seconds
    return p


@pytest.fixture
def now() -> list[float]:
    return [0.0]


def test_the_gain_is_of_pictures_like_this_one_also_after_a_restart(
    now: list[float], tmp_path: Path
) -> None:
    file = tmp_path / "steps.json"

    def started() -> StepTimes:
        return StepTimes(lambda: now[0], lambda: file)

    times = started()
    make(times, now, None, [5, *[2.0] * 9], kind())
    assert times.seen(kind(), SETTINGS) is None
    # the first step warms up
    make(times, now, SETTINGS, [9, *[1.0] * 9], kind())
    make(times, now, SETTINGS, [1.0] * 10, kind())
    for anew in (times, started()):
        assert anew.seen(kind(), SETTINGS) == Seen(2, 3)
        assert anew.seen({"latent": [128, 128], "sampler": "Euler"}, SETTINGS) == Seen(2, 3)
        assert anew.seen({"latent": [64, 64]}, SETTINGS) is None
        assert anew.seen(kind(), Settings.from_preset("paper")) is None
    for broken in ("[", '{"a": 1}'):
        file.write_text(broken)
        assert started().seen(kind(), SETTINGS) is None
    file.unlink()
    file.mkdir()
    # nothing can be written there: the picture is made all the same
    make(started(), now, None, [1.0] * 10, kind())


def different() -> dict[str, Any]:
    controlled = Picture(extra_generation_params={"ControlNet 0": "Module: canny"})
    ours = Picture(extra_generation_params={"ToDo factor": "2"})
    return {
        "attention": (kind(attn="xformers"), False),
        "sampler": (kind(sampler="Heun"), False),
        "batch": (kind(Picture(batch_size=2)), False),
        "checkpoint": (kind(Picture(sd_model=None)), False),
        "prompts joined by AND": (kind(batch=3), False),
        "two calls a step": (kind(lengths=(154, 77)), False),
        "no guidance": (kind(Picture(cfg_scale=1)), False),
        "skipped uncond": (kind(Picture(s_min_uncond=1)), False),
        "ControlNet": (kind(controlled), False),
        "ToDo's own text": (kind(ours), True),
    }


@pytest.mark.parametrize("what", different())
def test_pictures_that_are_made_otherwise_are_not_compared(now: list[float], what: str) -> None:
    other, same = different()[what]
    times = StepTimes(lambda: now[0])
    make(times, now, None, [2.0] * 10, other)
    p = make(times, now, SETTINGS, [1.0] * 10, kind())
    assert times.seconds(p, "first", kind(), SETTINGS) == 1
    assert (times.without(kind()) == 2) is same
    assert (times.seen(kind(), SETTINGS) is not None) is same


@pytest.mark.parametrize("option", ["skip_early_cond", "token_merging_ratio"])
def test_options_of_the_host_count(
    monkeypatch: pytest.MonkeyPatch, now: list[float], option: str
) -> None:
    import sys

    data: dict[str, Any] = {}
    shared = types.SimpleNamespace(opts=types.SimpleNamespace(data=data))
    monkeypatch.setitem(sys.modules, "modules.shared", shared)
    before = kind()
    data[option] = 0.3
    assert kind() != before


def test_a_pass_is_counted_by_its_stages(now: list[float]) -> None:
    """A quarter with the paper's factors; the median of all steps would not know of it."""
    times = StepTimes(lambda: now[0])
    p = make(times, now, SETTINGS, [9.0, *[2.0] * 4, *[1.0] * 15, 0], kind())
    assert times.seconds(p, "first", kind(), SETTINGS) == pytest.approx((4 * 2 + 15) / 19, rel=0.05)


@pytest.mark.parametrize(
    "steps",
    [
        # a step cache that calls the model in every sixth step
        [2.0 if step % 6 == 0 else 0.01 for step in range(20)],
        [2.0 if step % 2 == 0 else 0.01 for step in range(20)],
        # a part of the steps without the negative prompt
        [1.0] * 10 + [2.1] * 10,
    ],
)
def test_uneven_steps_are_not_told(now: list[float], steps: list[float]) -> None:
    times = StepTimes(lambda: now[0])
    make(times, now, None, [2.0] * 20, kind())
    p = make(times, now, SETTINGS, steps, kind())
    assert times.seconds(p, "first", kind(), SETTINGS) is None
    assert times.seen(kind(), SETTINGS) is None


def test_an_interrupted_picture_is_not_kept(now: list[float]) -> None:
    times = StepTimes(lambda: now[0])
    p = Picture()
    for step in range(5):
        times.evaluation(p, step, 10, "first", kind(), None)
        now[0] += 1
    assert times.without(kind()) is None
    assert times.seconds(p, "first", kind(), SETTINGS) == 1
