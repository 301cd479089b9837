"""The hint: the library's own rule and costs, for every state of the page."""

from __future__ import annotations

import dataclasses
import sys
import types
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from hints import CPU, SD15, hint, parts

from lib_todo.cost.rates import Rates
from lib_todo.cost.speedup import Pass, in_words
from lib_todo.hosts.webui import host, step_times
from lib_todo.hosts.webui.hint import WAITS, Asked, Hires, lines
from lib_todo.reasons import Reason
from lib_todo.settings import PRESETS, Settings
from lib_todo.wording import REMEDIES

pytest.importorskip("fastapi")
from lib_todo.cost.architectures import NOTHING_TO_POOL


def test_a_pass_alone_and_two_by_name() -> None:
    by_two = {"factor": 2, "deep_factor": 1}
    alone, presets = hint(1024, 1024, **by_two)
    assert alone == "1024×1024: 128×128 → 64×64 tokens (by 2). 1.33 to 1.72 times as fast"
    first, hires, again = hint(512, 512, Hires(enabled=True, scale=2), **by_two)
    assert first == "First pass, 512×512: nothing changes, and nothing is lost"
    assert (hires, again) == (f"Hires pass, {alone}", presets)


def test_the_presets_are_compared_for_this_picture() -> None:
    """By speed and by change, whatever is chosen; where the phase rests, by speed alone."""
    told = hint(1024, 1024, factor=2)[-1]
    assert told == hint(1024, 1024)[-1]
    whole = Pass(SD15, (1024, 1024), "Euler")
    for preset in PRESETS:
        found = whole.stages(Settings.from_preset(preset))
        assert f"{preset} {in_words(whole.gain(found, CPU))}" in told
    assert told.endswith("close 0.05 · balanced 0.5 · fast 0.82 · paper 1")
    assert hint(2048, 2048)[-1].endswith("close 0.2 · balanced 0.41 · fast 0.56 · paper 1")
    # a checkpoint of another trained size, such as SD 2.x of 768 pixels
    assert hint(1536, 1536, threshold=96)[-1].endswith(
        "close 0.05 · balanced 0.5 · fast 0.82 · paper 1"
    )
    assert "paper 1.00" in hint(768, 768, threshold=96, factor=2, above=0.5)[-1]
    careful = parts({"first": SD15}, 1024, 1024, sampler="LMS")
    assert lines(careful, {}, CPU)[-1].endswith("times as fast")


def test_a_measured_machine_has_one_figure_and_what_was_seen_goes_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = parts({"first": SD15}, 1024, 1024)
    rates = Rates(3e11, {"64": 1e11}, 1e10, 0, 4)
    assert " to " not in "".join(lines(found, {"factor": 2}, [rates]))
    seen = Mock(return_value=(1.338, 3))
    monkeypatch.setattr(step_times, "seen", seen)
    (part,) = Asked(width=1024, height=1024, sampler="Euler").parts()
    told = lines([dataclasses.replace(part, shape=SD15)], {"factor": 2}, [rates])
    assert told[0].endswith("1.34 times as fast here, from 3 pictures")
    seen.assert_called_once_with(part.kind, Settings(factor=2))
    assert '[128, 128], 1, "Euler"' in part.kind
    slow = Rates(3e14, {"64": 3e14}, 3e12, 2e-4, 2)
    assert lines(found, {}, [slow])[0].endswith(f"1.00 times as fast. {WAITS}")
    assert WAITS not in lines(parts({"first": SD15}, 1024, 1024, images=8), {}, [slow])[0]


def test_a_part_of_the_steps_is_named_as_what_it_is() -> None:
    """At 640 the paper's factors pool nothing; a window is only named where there is one."""
    assert "times in steps with these factors" in hint(640, 640)[0]
    assert "times in steps with these factors" in hint(512, 512, **PRESETS["fast"])[0]
    assert "times in steps with these factors" in hint(1024, 1024, end=0.5)[0]
    assert "in steps" not in hint(1024, 1024, **PRESETS["paper"])[0]


@pytest.mark.parametrize("sampler", ["LMS", "LCM", "PLMS"])
def test_a_sampler_that_takes_the_papers_factors_is_promised_no_more(sampler: str) -> None:
    """Each pass by its own sampler; factors that were asked for stay."""
    shapes = {"first": SD15, "hires": SD15}

    def told(first: str, hires: str = "Use same sampler", **values: Any) -> list[str]:
        second = Hires(enabled=True, scale=2, sampler=hires)
        found = parts(shapes, 1024, 1024, hires=second, sampler=first)
        return [line.split(": ")[1] for line in lines(found, values, CPU)[:2]]

    paper = told("Euler", scale=1, deep_scale="0")
    assert told(sampler) == paper
    assert told("Euler", sampler) == [told("Euler")[0], paper[1]]
    by_hand = {"factor": "4", "deep_factor": "2"}
    assert "32×32 tokens (by 4)" in told(sampler, **by_hand)[0]


def test_with_few_steps_no_more_is_promised_than_they_give() -> None:
    """Each pass by its own number; too few are the paper's, also in what would help."""
    shapes = {"first": SD15, "hires": SD15}

    def told(size: int, steps: int, hires: int = 0, **values: Any) -> list[str]:
        second = Hires(enabled=hires > 0, steps=hires)
        return lines(parts(shapes, size, size, hires=second, steps=steps), values, CPU)

    def gain(line: str) -> float:
        return float(line.split(" times as fast")[0].split(" ")[-1])

    many, few = told(1024, 40, 5)[:2]
    assert gain(many) > gain(few)
    (paper, *_) = hint(1024, 1024, scale=1, deep_scale="0")
    assert told(1024, 3)[0] == paper
    assert told(1024, 3)[-1].endswith("times as fast")
    assert told(640, 20)[0] != told(640, 0)[0]
    (nothing,) = told(640, 3)
    assert nothing.endswith(REMEDIES[Reason.SAMPLER])
    for window in ({"start": 0.9}, {"start": 0.5, "end": 0.5}):
        (nothing,) = told(1024, 8, **window)
        assert nothing.endswith(f"nothing is lost. {REMEDIES[Reason.OUTSIDE_WINDOW]}")


def test_a_leap_at_the_end_of_the_schedule_is_promised_as_it_will_be_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host's own levels: 2M rests before a leap, and 0.6 of 33 steps are the last 20."""

    def levels(p: Any, steps: int) -> torch.Tensor:
        even = {"Karras": 0.1, "Uniform": 0.1}[p.scheduler] * 1.2 ** torch.arange(steps).flip(0)
        even[-1] /= 3 if p.scheduler == "Uniform" else 1
        return torch.cat([even, torch.zeros(1)])

    made = types.SimpleNamespace(get_sigmas=levels)
    modules = {
        "sd_samplers": types.SimpleNamespace(create_sampler=lambda name, model: made),
        "sd_samplers_common": types.SimpleNamespace(
            setup_img2img_steps=lambda p, steps: (int(p.steps / p.denoising_strength), p.steps - 1)
        ),
    }
    monkeypatch.setitem(sys.modules, "modules", types.SimpleNamespace(**modules))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"modules.{name}", module)
    monkeypatch.setattr(host, "loaded_as", lambda name: None if name else "the model")

    def careful(**asked: Any) -> list[int]:
        found = parts({"first": SD15, "hires": SD15}, 1024, 1024, sampler="DPM++ 2M", **asked)
        steps = []
        for part in found:
            share, *_ = part.stages(Settings()).values()
            steps.append(round(20 * share))
        return steps

    # the first quarter, from noise two thirds, and the two last steps
    assert (careful(steps=20, scheduler="Karras"), careful(steps=20)) == ([7], [16])
    # three steps before the leap, and the leap, which is the last but one
    assert careful(steps=20, scheduler="Uniform") == [10]
    assert careful(steps=20, scheduler="Uniform", strength=0.6) == [10]
    # hires fix with the same schedule, one of its own, and a checkpoint that is not loaded
    second = {"enabled": True, "steps": 20, "strength": 0.6}
    for hires, number in (
        ({"scheduler": "Use same scheduler"}, 10),
        ({"scheduler": "Karras"}, 7),
        ({"checkpoint": "other"}, 7),
    ):
        asked = {"steps": 20, "scheduler": "Uniform", "hires": Hires(**second, **hires)}
        assert careful(**asked) == [10, number]
    # few steps from noise, also where no schedule is named; img2img tells where they begin
    assert careful(steps=12) == [20]
    assert careful(steps=12, strength=0.6) == [8]
    # another extension's schedule, which wants more of a generation
    assert careful(steps=20, scheduler="Unheard of") == [16]


def test_a_checkpoint_that_is_not_known_is_no_promise() -> None:
    first, hires = lines(
        parts({"first": NOTHING_TO_POOL}, 512, 512, hires=Hires(enabled=True, scale=2)), {}, CPU
    )
    assert "no self-attention layers" in first
    assert "before the checkpoint is loaded" in hires
    (alone,) = lines(parts({}, 1024, 1024), {}, CPU)
    assert "before the checkpoint is loaded" in alone


def test_the_size_of_the_hires_pass_is_the_hosts() -> None:
    asked = [(0, 0), (1000, 0), (0, 1000), (1000, 800)]
    sizes = [Hires(scale=1.55, x=x, y=y).size(512, 328) for x, y in asked]
    assert sizes == [(793, 508), (1000, 640), (1560, 1000), (1000, 800)]


def test_nothing_to_gain_is_told_with_what_would_help_as_the_line_does() -> None:
    nothing = "nothing changes, and nothing is lost"
    (told,) = hint(512, 512)
    assert told == f"512×512: {nothing}. {REMEDIES[Reason.BELOW_THRESHOLD]}"
    for values, reason in (
        ({"factor": 1, "deep_factor": 1}, Reason.FACTOR_ONE),
        ({"passes": "hires"}, Reason.OTHER_PASS),
        ({"threshold": 512}, Reason.BELOW_THRESHOLD),
    ):
        assert hint(1024, 1024, **values) == [f"1024×1024: {nothing}. {REMEDIES[reason]}"]
    # of what ToDo would do
    assert hint(1024, 1024, enabled=False) == hint(1024, 1024)
    first, hires = hint(512, 512, Hires(enabled=True, scale=2), passes="first")
    assert first == f"First pass, 512×512: {nothing}"
    assert hires == f"Hires pass, 1024×1024: {nothing}. {REMEDIES[Reason.OTHER_PASS]}"
    (told,) = hint(1024, 1024, shape=NOTHING_TO_POOL)
    assert told.startswith("1024×1024: nothing changes, this model has no")
