"""The line that tells what was pooled, or why nothing was; and the option that turns it off."""

from __future__ import annotations

from typing import Any

import pytest
from expect import HIRES, info, infotext, line, parameters, picture, todo
from host import Host, images

SQUARE = {"width": 128, "height": 128, "steps": 2}
NOTHING = "ToDo: nothing was pooled: "


@pytest.mark.parametrize(
    ("body", "settings", "told"),
    [
        (SQUARE, {}, "no layer has more than 64×64 tokens at 128×128"),
        (SQUARE, {"threshold": 16}, "no layer has more than 16×16 tokens at 128×128"),
        (HIRES, {}, "no layer has more than 64×64 tokens at 128×128 and 256×256"),
        (SQUARE, {"threshold": 8, "passes": "hires"}, "other pass (5 layers)"),
        (SQUARE, {"threshold": 8, "start": 1}, "outside the step window (5 layers)"),
        (SQUARE, {"threshold": 8, "end": 0}, "outside the step window (5 layers)"),
        (SQUARE, {"threshold": 8, "factor": 1}, "factor 1 (5 layers)"),
    ],
)
def test_why_nothing(host: Host, body: dict[str, Any], settings: dict[str, Any], told: str) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(**body, **todo(**settings))
    assert line(answer) == NOTHING + told
    assert parameters(infotext(answer)) == {}


def test_why_nothing_in_img2img_and_sdxl(host: Host) -> None:
    host.use("tinyxl_a")
    answer = host.img2img(picture(200, 136), steps=1, width=200, height=136, **todo())
    assert line(answer) == f"{NOTHING}no layer has more than 64×64 tokens at 200×136"


def test_what_was_pooled(host: Host) -> None:
    """Each kind of pooling once, the largest first, over both passes."""
    host.use("tiny15_a")
    answer = host.txt2img(**HIRES | {"steps": 2}, **todo(factor=2, threshold=8, end=0.5))
    pooled = "1024 → 256 keys in 5, 256 → 64 keys in 10 of 16 self-attention layers"
    assert line(answer) == f"ToDo: {pooled}, 2 of 4 steps"


def test_it_is_told_once_and_not_in_the_infotext(host: Host) -> None:
    """Two batches add to one line; the image's own file carries the settings alone."""
    host.use("tiny15_a")
    answer = host.txt2img(**SQUARE, n_iter=2, **todo(factor=2, threshold=8))
    told = "ToDo: 256 → 64 keys in 5 of 16 self-attention layers, 4 of 4 steps"
    assert line(answer) == told
    assert all("ToDo report" not in text for text in info(answer)["infotexts"])
    assert all(told.encode() not in image for image in images(answer))


def test_nothing_is_told_when_it_is_off(host: Host) -> None:
    host.use("tiny15_a")
    for off in ({}, todo(enabled=False)):
        answer = host.txt2img(**SQUARE, **off)
        assert not [key for key in info(answer)["extra_generation_params"] if "ToDo" in key]


def test_the_option_turns_the_line_off_and_nothing_else(host: Host) -> None:
    host.use("tiny15_a")
    asked = todo(factor=2, threshold=8)
    with_line = host.txt2img(**SQUARE, **asked)
    with host.options_set({"todo_show_line": True}, todo_show_line=False):
        without = host.txt2img(**SQUARE, **asked)
        assert line(without) is None
        assert without["images"] == with_line["images"]
    again = host.txt2img(**SQUARE, **asked)
    assert line(again) == line(with_line) is not None
