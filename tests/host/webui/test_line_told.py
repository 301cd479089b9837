"""The line that tells what was pooled, or why nothing was; and the option that turns it off."""

from __future__ import annotations

from typing import Any

import pytest
from expect import HIRES, info, infotext, line, parameters, picture, todo
from host import Host, images

SQUARE = {"width": 128, "height": 128, "steps": 2}
NOTHING = "ToDo (128×128): nothing was pooled: "


SMALLER = "no layer has more than "
LARGER = "A larger image or a lower threshold would be pooled"
OUTSIDE = "5 layers outside the steps from Start to End. Set Start lower or End higher"


@pytest.mark.parametrize(
    ("body", "settings", "told"),
    [
        (SQUARE, {}, f"{SMALLER}64×64 tokens. {LARGER}"),
        (SQUARE, {"threshold": 16}, f"{SMALLER}16×16 tokens. {LARGER}"),
        (
            SQUARE,
            {"threshold": 8, "passes": "hires"},
            "5 layers in a pass that Passes leaves out. Set Passes to both",
        ),
        (SQUARE, {"threshold": 8, "start": 1}, OUTSIDE),
        (SQUARE, {"threshold": 8, "end": 0}, OUTSIDE),
        (
            SQUARE,
            {"threshold": 8, "factor": 1},
            "5 layers left whole by a factor of 1 (chosen, or automatic near the threshold). "
            "A larger image or a factor of 2 would be pooled",
        ),
    ],
)
def test_why_nothing(host: Host, body: dict[str, Any], settings: dict[str, Any], told: str) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(**body, **todo(preset="paper", **settings))
    assert line(answer) == NOTHING + told
    # what was asked for is told all the same
    assert parameters(infotext(answer))["ToDo preset"] == ("custom" if settings else "paper")


def test_why_nothing_in_both_passes(host: Host) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(**HIRES, **todo(preset="paper"))
    nothing = f"nothing was pooled: {SMALLER}64×64 tokens"
    assert line(answer) == (
        f"ToDo: first pass (128×128): {nothing}; hires pass (256×256): {nothing}. {LARGER}"
    )
    assert parameters(infotext(answer))["ToDo preset"] == "paper"


def test_why_nothing_in_img2img_and_sdxl(host: Host) -> None:
    host.use("tinyxl_a")
    answer = host.img2img(picture(200, 136), steps=1, width=200, height=136, **todo(preset="paper"))
    assert line(answer) == f"ToDo (200×136): nothing was pooled: {SMALLER}64×64 tokens. {LARGER}"


def test_what_was_pooled(host: Host) -> None:
    """Each kind of pooling once, the largest first, pass by pass."""
    host.use("tiny15_a")
    answer = host.txt2img(
        **HIRES | {"steps": 2}, **todo(preset="paper", factor=2, threshold=8, end=0.5)
    )
    counts = "of 16 self-attention layers, 1 of 2 steps"
    assert line(answer) == (
        f"ToDo: first pass (128×128): 256 → 64 keys in 5 {counts}; "
        f"hires pass (256×256): 1024 → 256 keys in 5, 256 → 64 keys in 5 {counts}"
    )


def test_it_is_told_once_and_not_in_the_infotext(host: Host) -> None:
    """Two batches add to one line; the image's own file carries the settings alone."""
    host.use("tiny15_a")
    answer = host.txt2img(**SQUARE, n_iter=2, **todo(preset="paper", factor=2, threshold=8))
    told = "ToDo (128×128): 256 → 64 keys in 5 of 16 self-attention layers, 4 of 4 steps"
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
    asked = todo(preset="paper", factor=2, threshold=8)
    with_line = host.txt2img(**SQUARE, **asked)
    with host.options_set({"todo_show_line": True}, todo_show_line=False):
        without = host.txt2img(**SQUARE, **asked)
        assert line(without) is None
        assert without["images"] == with_line["images"]
    again = host.txt2img(**SQUARE, **asked)
    assert line(again) == line(with_line) is not None
