"""Seconds per step: which pictures are compared, and what is told of them later."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_todo import Settings
from lib_todo.hosts.webui import host, step_times
from lib_todo.hosts.webui.step_times import kind_of, seen

SETTINGS = Settings()


class Picture:
    """A generation as the host has it, and its denoiser, about to be called."""

    def __init__(
        self, batch: int = 2, lengths: Any = (77, 77), side: int = 128, **given: Any
    ) -> None:
        self.cfg_scale, self.batch_size, self.s_min_uncond = 7, 1, 0
        self.sampler_name, self.planned = "Euler", 1
        self.extra_generation_params: dict[str, Any] = {}
        self.sd_model = types.SimpleNamespace(sd_checkpoint_info=checkpoint("a"))
        self.__dict__.update(given)
        self.text_cond, self.text_uncond = (torch.empty(1, length, 8) for length in lengths)
        self.x = torch.empty(batch, 4, side, side)
        self.p, self.step, self.steps = self, 0, 0

    @property
    def total_steps(self) -> int:
        return self.steps * self.planned

    def run(self, settings: Settings | None, steps: list[float], stop: Any = None) -> Picture:
        self.steps = -(-len(steps) // self.planned)
        for self.step, seconds in enumerate(steps[:stop]):
            ours = settings and types.SimpleNamespace(settings=settings, lead_in=0.25)
            step_times.evaluation(self, self, "first", ours)
            NOW[0] += seconds
        return self


def checkpoint(name: str) -> Any:
    return types.SimpleNamespace(filename=f"{name}.safetensors")


def kind() -> Any:
    picture = Picture()
    return kind_of(picture, picture, "first")


def told(p: Picture) -> tuple[float | None, float | None]:
    return step_times.seconds_a_step(p, "first")


NOW = [0.0]


@pytest.fixture(autouse=True)
def options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The options of a host with its settings in a folder of the test's, and a clock."""
    monkeypatch.setattr(step_times.time, "perf_counter", lambda: NOW[0])
    opts = types.SimpleNamespace(data={})
    shared = types.SimpleNamespace(opts=opts, config_filename=tmp_path / "config.json")
    monkeypatch.setitem(sys.modules, "modules.shared", shared)
    return opts.data


def test_the_gain_is_of_pictures_like_this_one(tmp_path: Path) -> None:
    Picture().run(None, [5, *[2.0] * 9])
    assert seen(kind(), SETTINGS) is None
    # the first step warms up
    Picture().run(SETTINGS, [9, *[1.0] * 9])
    Picture().run(SETTINGS, [1.0] * 10)
    assert seen(kind(), SETTINGS) == (2, 3)
    before = step_times.known_before
    assert seen(before("a.safetensors", (128, 128), 1, "Euler", None), SETTINGS) == (2, 3)
    assert seen(before("a.safetensors", (64, 64), 1, "Euler", None), SETTINGS) is None
    assert seen(kind(), Settings.from_preset("paper")) is None
    file = tmp_path / step_times.FILE
    for broken in ("[", '{"a": 1}'):
        file.write_text(broken)
        assert seen(kind(), SETTINGS) is None
    file.unlink()
    file.mkdir()
    # nothing can be written there: the picture is made all the same
    Picture().run(None, [1.0] * 10)


DIFFERENT: dict[str, dict[str, Any]] = {
    "sampler": {"sampler_name": "Heun"},
    "schedule": {"scheduler": "Karras"},
    "batch": {"batch_size": 2},
    "size": {"side": 64},
    "checkpoint": {"sd_model": None},
    "prompts joined by AND": {"batch": 3},
    "two calls a step": {"lengths": (154, 77)},
    "no guidance": {"cfg_scale": 1},
    "skipped uncond": {"s_min_uncond": 1},
    "ControlNet": {"extra_generation_params": {"ControlNet 0": "Module: canny"}},
    "ToDo's own text": {"extra_generation_params": {"ToDo factor": "2"}},
    "the host's function": {"extra_generation_params": {"Hires prompt": lambda: ""}},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_pictures_that_are_made_otherwise_are_not_compared(what: str) -> None:
    same = what in ("ToDo's own text", "the host's function")
    Picture(**DIFFERENT[what]).run(None, [2.0] * 10)
    p = Picture().run(SETTINGS, [1.0] * 10)
    assert told(p) == (1, 2 if same else None)
    assert (seen(kind(), SETTINGS) is not None) is same


@pytest.mark.parametrize("option", ["skip_early_cond", "token_merging_ratio"])
def test_options_and_the_attention_of_the_host_count(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], option: str
) -> None:
    kinds = [kind()]
    options[option] = 0.3
    kinds.append(kind())
    monkeypatch.setattr(host, "attention", lambda: "xformers")
    kinds.append(kind())
    assert kinds[0] != kinds[1] != kinds[2]


@pytest.mark.parametrize("what", ["refiner", "prompt", "size", "the same"])
def test_a_pass_that_goes_on_otherwise_is_not_told(what: str) -> None:
    p = Picture().run(SETTINGS, [1.0] * 20, stop=10)
    if what == "refiner":
        p.sd_model.sd_checkpoint_info = checkpoint("b")
    elif what == "prompt":
        p.text_cond = torch.empty(1, 154, 8)
    elif what == "size":
        # a tile's seam
        p.x = torch.empty(2, 4, 64, 64)
    ours = types.SimpleNamespace(settings=SETTINGS, lead_in=0.25)
    for p.step in range(10, 20):
        step_times.evaluation(p, p, "first", ours)
        NOW[0] += 1.0
    assert told(p) == (1 if what == "the same" else None, None)


def test_what_another_generation_did_meanwhile_is_not_told() -> None:
    p = Picture().run(SETTINGS, [1.0] * 10)
    Picture().run(SETTINGS, [2.0] * 10)
    assert told(p) == (None, None)
    assert step_times.seconds_a_step(p, "hires") == (None, None)
    # nor is an interrupted picture
    assert told(Picture().run(SETTINGS, [1.0] * 10, stop=5)) == (None, None)


def test_two_evaluations_are_a_step_and_the_last_has_one() -> None:
    Picture(planned=2).run(None, [2.0] * 19)
    assert told(Picture(planned=2).run(SETTINGS, [1.0] * 19)) == (2, 4)
    assert told(Picture(planned=2).run(SETTINGS, [1.0] * 20)) == (2, 4)
    # DDIM does not run the last one
    ddim = {"sampler_name": "DDIM", "sampler": types.SimpleNamespace(get_timesteps=None)}
    assert told(Picture(**ddim).run(SETTINGS, [1.0] * 20, stop=19)) == (1, None)


def test_a_pass_is_counted_by_its_stages() -> None:
    """A quarter with the paper's factors; the median of all steps would not know of it."""
    p = Picture().run(SETTINGS, [9.0, *[2.0] * 4, *[1.0] * 15, 0])
    assert told(p)[0] == pytest.approx((4 * 2 + 15) / 19, rel=0.05)


@pytest.mark.parametrize(
    "steps",
    [
        # a step cache that calls the model in every sixth step
        [2.0 if step % 6 == 0 else 0.01 for step in range(20)],
        [2.0 if step % 2 == 0 else 0.01 for step in range(20)],
        # a part of the steps without the negative prompt
        [1.0] * 10 + [2.1] * 10,
        # the only time between evaluations is the first step's, which warms up
        [5.0, 1.0],
    ],
)
def test_uneven_or_too_few_steps_are_not_told(steps: list[float]) -> None:
    Picture().run(None, [2.0] * 20)
    assert told(Picture().run(SETTINGS, steps)) == (None, 2)
    assert seen(kind(), SETTINGS) is None
