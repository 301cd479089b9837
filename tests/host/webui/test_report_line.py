"""The report of a generation, for people and for programs, and the option that hides the line."""

from __future__ import annotations

from typing import Any

import pytest
from expect import HIRES, info, infotext, parameters, picture, todo
from host import Host, images
from todo_report import generations, line, numbers, pooled, reasons, report_of, sizes, steps

SQUARE = {"width": 128, "height": 128, "steps": 2}
SMALLER = {"below_threshold": 16}
DEEPER = {"below_threshold": 11}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, SMALLER),
        ({"threshold": 16}, SMALLER),
        ({"threshold": 8, "passes": "hires"}, {"other_pass": 5, **DEEPER}),
        ({"threshold": 8, "start": 1}, {"outside_window": 5, **DEEPER}),
        ({"threshold": 8, "end": 0}, {"outside_window": 5, **DEEPER}),
        ({"threshold": 8, "factor": 1}, {"factor_one": 5, **DEEPER}),
    ],
)
def test_why_nothing(host: Host, settings: dict[str, Any], why: dict[str, int]) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(**SQUARE, **todo(preset="paper", **settings))
    assert (pooled(report_of(answer)), reasons(report_of(answer))) == ({}, why)
    assert sizes(report_of(answer)) == {"first": [(128, 128)]}
    # what was asked for is told all the same
    assert parameters(infotext(answer))["ToDo preset"] == "paper"


def test_why_nothing_in_both_passes(host: Host) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(**HIRES, **todo(preset="paper"))
    assert {name: reasons(counts) for name, counts in report_of(answer)["passes"].items()} == {
        "first": SMALLER,
        "hires": SMALLER,
    }
    assert sizes(report_of(answer)) == {"first": [(128, 128)], "hires": [(256, 256)]}
    assert parameters(infotext(answer))["ToDo preset"] == "paper"


def test_why_nothing_in_img2img_and_sdxl(host: Host) -> None:
    host.use("tinyxl_a")
    answer = host.img2img(picture(200, 136), steps=1, width=200, height=136, **todo(preset="paper"))
    assert reasons(report_of(answer)) == {"below_threshold": 22}
    assert sizes(report_of(answer)) == {"first": [(200, 136)]}


def test_what_was_pooled_pass_by_pass(host: Host) -> None:
    """The line, pass by pass, has the numbers of the JSON; each pass has its size beside it."""
    host.use("tiny15_a")
    answer = host.txt2img(
        **HIRES | {"steps": 2}, **todo(preset="paper", factor=2, threshold=8, end=0.5)
    )
    passes = report_of(answer)["passes"]
    assert pooled(passes["first"]) == {(256, 64): 5}
    assert pooled(passes["hires"]) == {(1024, 256): 5, (256, 64): 5}
    assert {name: steps(counts) for name, counts in passes.items()} == {
        "first": (1, 2),
        "hires": (1, 2),
    }
    parts = str(line(answer)).split(";")
    assert [numbers(part) for part in parts] == [
        (set(pooled(counts)), steps(counts)) for counts in passes.values()
    ]
    assert ["128×128" in parts[0], "256×256" in parts[1]] == [True, True]


@pytest.mark.parametrize(
    "settings",
    [{"sampler_name": "LCM", "steps": 4}, {"sampler_name": "Euler", "steps": 1}],
    ids=str,
)
def test_the_sampler_or_the_first_quarter_is_why_nothing(
    host: Host, settings: dict[str, Any]
) -> None:
    """Where `fast` would pool the largest layers, but the paper's factors apply, which are 1."""
    host.use("tiny15_a")
    answer = host.txt2img(**SQUARE | settings, **todo(preset="fast", threshold=16))
    assert pooled(report_of(answer)) == {}
    found = reasons(report_of(answer))
    assert found.get("sampler", found.get("lead_in")) == 5
    assert found["factor_one"] == 11
    assert "above the threshold" not in str(line(answer))


def test_the_sizes_are_those_of_the_picture(host: Host) -> None:
    """The host rounds what it is asked for down to whole latents; `Host` looks at the pictures."""
    host.use("tiny15_a")
    scaled = {"width": 200, "height": 136, "hr_scale": 1.56}
    answer = host.txt2img(**HIRES | scaled, **todo(preset="paper", factor=2, threshold=8))
    assert sizes(report_of(answer)) == {"first": [(200, 136)], "hires": [(312, 208)]}
    answer = host.img2img(
        picture(300, 205), steps=2, width=300, height=205, **todo(factor=2, threshold=8)
    )
    assert sizes(report_of(answer)) == {"first": [(296, 200)]}


def test_a_note_stands_behind_the_pass_that_it_is_about(host: Host) -> None:
    host.use("tiny15_a")
    passes = {"steps": 4, "sampler_name": "Euler", "hr_sampler_name": "LMS"}
    answer = host.txt2img(**HIRES | passes, **todo(threshold=8))
    first, hires = str(line(answer)).split("; hires pass")
    assert ("LMS" in first, hires.count("LMS")) == (False, 1)


def test_a_generation_that_was_stopped(host: Host) -> None:
    host.use("tiny15_a")
    host.probe_fault("interrupt", unet_call=3)
    answer = host.txt2img(**SQUARE | {"steps": 12}, **todo(factor=2, threshold=8))
    (counts,) = report_of(answer)["passes"].values()
    assert counts["stopped"]
    assert counts["steps"]["seen"] < counts["steps"]["asked"] == 12
    assert str(line(answer)).endswith(f"stopped at {counts['steps']['seen']} of 12")


def test_seconds_a_step_and_the_gain_over_an_image_without(host: Host) -> None:
    """The gain is known after an image of the same shape without ToDo."""
    host.use("tiny15_a")
    size = {"width": 192, "height": 136, "steps": 4}

    def seconds_a_step() -> dict[str, float | None]:
        answer = host.txt2img(**size, **todo(preset="paper", factor=2, threshold=8))
        (found,) = report_of(answer)["sizes"]["first"]
        return dict(found["seconds_a_step"])

    alone = seconds_a_step()
    assert alone["with_todo"] is not None
    assert alone["without_todo"] is None
    host.txt2img(**size)
    assert seconds_a_step()["without_todo"] is not None


def test_it_is_told_once_and_not_in_the_infotext(host: Host) -> None:
    """Two batches add to one line; the image's own file carries the settings alone."""
    host.use("tiny15_a")
    answer = host.txt2img(**SQUARE, n_iter=2, **todo(preset="paper", factor=2, threshold=8))
    assert numbers(str(line(answer))) == ({(256, 64)}, (2, 2))
    assert len(str(line(answer)).splitlines()) == 1
    assert all("ToDo report" not in text for text in info(answer)["infotexts"])
    assert all(str(line(answer)).encode() not in image for image in images(answer))


def test_nothing_is_told_when_it_is_off(host: Host) -> None:
    host.use("tiny15_a")
    for off in ({}, todo(enabled=False)):
        answer = host.txt2img(**SQUARE, **off)
        assert not [key for key in info(answer)["extra_generation_params"] if "ToDo" in key]


def test_the_option_turns_the_line_off_and_nothing_else(host: Host) -> None:
    host.use("tiny15_a")
    asked = todo(preset="paper", factor=2, threshold=8)
    with_line = host.txt2img(**SQUARE, **asked)
    assert host.options()["todo_show_line"] is True
    with host.options_set(todo_show_line=False):
        assert host.options()["todo_show_line"] is False
        without = host.txt2img(**SQUARE, **asked)
        assert generations(info(without)) == []
        assert without["images"] == with_line["images"]
    again = host.txt2img(**SQUARE, **asked)
    assert line(again) == line(with_line) is not None
