"""What goes in and out as text: refusals, the image's text and back, the line."""

from __future__ import annotations

from typing import Any

import pytest
from expect import (
    CLEAN,
    HIRES,
    PAPER_TEXT,
    Pass,
    Pooling,
    all_pixels,
    check,
    infotext,
    parameters,
    picture,
    todo,
)
from host import Host, images
from kinds import every_kind, everywhere
from told import generations, info, report_of, steps

POOLING = Pooling(factor=2, deep_factor=1.5, threshold=8)
SQUARE: dict[str, Any] = {"width": 128, "height": 128, "steps": 4}


@everywhere
@pytest.mark.parametrize(
    ("args", "named"),
    [
        (
            [{"factor": 0.5}],
            "factor = 0.5 is not allowed; factor must be 0 (automatic) or a number",
        ),
        ([{"start": 0.6, "end": 0.4}], "start must be no greater than end (0.4)"),
        ([{"enabled": False, "factor": 9}], "factor = 9"),
        ([{"faktor": 2}], "'faktor'"),
        ([True, 2, 2, 64, 1, 0, 64], "method = 64"),
        ({"preset": "fast"}, "must be a list"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_by_name(host: Host, args: Any, named: str) -> None:
    bad = {"alwayson_scripts": {"ToDo": {"args": args}}}
    assert named in host.refusal(**host.body(**SQUARE, **bad))
    assert named in host.refusal(**host.body(**HIRES, n_iter=2, **bad))
    assert named in host.refusal("img2img", **host.img2img_body(picture(128, 128), **bad))
    host.txt2img(**SQUARE, **POOLING.asked())
    check(host, "tiny15", first=Pass(128, 128, 4, POOLING))


@every_kind
@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (SQUARE, {"factor": 1.5, "deep_factor": 1.25, "threshold": 7, "method": "bilinear"}),
        (SQUARE, {"threshold": 8, "start": 0.25, "end": 0.75, "passes": "first"}),
        (HIRES, {"factor": 3, "threshold": 8, "method": "nearest-exact", "passes": "hires"}),
    ],
    ids=str,
)
def test_an_images_text_makes_the_same_image(
    host: Host, size: dict[str, Any], settings: dict[str, Any]
) -> None:
    made = host.txt2img(**size, **todo(**settings))
    text = host.text_of(images(made)[0])
    assert parameters(text)["ToDo threshold"] == str(settings["threshold"])
    first = host.probe_counts()["rows"]
    host.probe_reset()
    assert all_pixels(host.from_text(text)) == all_pixels(made)
    assert host.probe_counts()["rows"] == first


def test_an_images_text_in_img2img(host: Host) -> None:
    """The host itself takes from the text what belongs to scripts, and nothing else."""
    host.needs_texts()
    body = {**SQUARE, "denoising_strength": 0.5}
    made = host.img2img(picture(128, 128), **body, **POOLING.asked(method="max"))
    again = host.img2img(picture(128, 128), **body, infotext=infotext(made), styles=[])
    assert all_pixels(again) == all_pixels(made)
    assert parameters(infotext(again))["ToDo method"] == "max"


@every_kind
def test_a_text_without_todo_leaves_it_off_and_arguments_go_before_a_text(host: Host) -> None:
    without = host.txt2img(**SQUARE)
    assert parameters(infotext(without)) == {}
    text = infotext(host.txt2img(**SQUARE, **POOLING.asked(method="average", end=0.5)))
    host.probe_reset()
    assert all_pixels(host.from_text(infotext(without))) == all_pixels(without)
    check(host, "tiny15", first=Pass(128, 128, 4, None))
    host.probe_reset()
    answer = host.from_text(text, **todo(factor=3))
    expected = Pooling(factor=3, deep_factor=1.5, threshold=8)
    check(host, "tiny15", first=Pass(128, 128, 4, expected, pooled_in={0, 1}))
    assert parameters(infotext(answer))["ToDo method"] == "average"


@every_kind
def test_the_older_extensions_keys_and_forged_ones(host: Host) -> None:
    """It has the paper's rule alone."""
    older = ", ToDo factor: 2, ToDo factor2: 1, ToDo disable after: 0.5, ToDo threshold: 4"
    text = infotext(host.txt2img(**SQUARE)) + older
    host.probe_reset()
    answer = host.from_text(text)
    expected = Pooling(factor=2, deep_factor=1, threshold=4)
    check(host, "tiny15", first=Pass(128, 128, 4, expected, pooled_in={0, 1}))
    own = {"ToDo factor": "2", "ToDo deep factor": "1", "ToDo threshold": "4"}
    assert parameters(infotext(answer)) == PAPER_TEXT | own | {"ToDo end": "0.5"}
    host.probe_reset()
    assert "ToDo factor = '99'" in host.refusal(**host.body_of_text(f"{text}, ToDo factor: 99"))


@everywhere
def test_the_option_turns_the_line_off_and_nothing_else(host: Host) -> None:
    asked = todo(preset="paper", factor=2, threshold=8)
    with_line = host.txt2img(**SQUARE, n_iter=2, **asked)
    assert steps(report_of(with_line)) == (8, 8)
    with host.options_set({"todo_show_line": True}, todo_show_line=False):
        without = host.txt2img(**SQUARE, n_iter=2, **asked)
        assert generations(info(without)) == []
        assert without["images"] == with_line["images"]
    off = host.txt2img(**SQUARE, **todo(enabled=False))
    assert not [key for key in info(off)["extra_generation_params"] if "ToDo" in key]
    assert host.probe_leftovers() == CLEAN
