"""The infotext of an image makes the same image again, through the API's `infotext`."""

from __future__ import annotations

from typing import Any

import pytest
from expect import HIRES, Pass, Pooling, check, infotext, parameters, picture, todo
from host import Host, images
from requests_shared import QUIET, SAME_IN_HIRES, text_of

POOLING = Pooling(factor=2, deep_factor=1.5, threshold=8)
SQUARE = {"width": 128, "height": 128, "steps": 4}


@pytest.mark.parametrize(
    ("size", "settings", "told"),
    [
        (
            SQUARE,
            {"factor": 1.5, "deep_factor": 1.25, "threshold": 7, "method": "bilinear"},
            {
                "ToDo factor": "1.5",
                "ToDo deep factor": "1.25",
                "ToDo threshold": "7",
                "ToDo method": "bilinear",
            },
        ),
        (
            SQUARE,
            {"threshold": 8, "start": 0.25, "end": 0.75, "passes": "first"},
            {
                "ToDo factor": "automatic",
                "ToDo threshold": "8",
                "ToDo steps": "0.25-0.75",
                "ToDo pass": "first",
            },
        ),
        (
            HIRES,
            {"factor": 3, "threshold": 8, "method": "nearest-exact", "passes": "hires"},
            {
                "ToDo factor": "3",
                "ToDo threshold": "8",
                "ToDo method": "nearest-exact",
                "ToDo pass": "hires",
            },
        ),
    ],
    ids=["deep", "window", "hires"],
)
def test_there_and_back(
    host: Host, size: dict[str, Any], settings: dict[str, Any], told: dict[str, str]
) -> None:
    host.use("tiny15_a")
    made = images(host.txt2img(**size, **todo(**settings)))[0]
    text = text_of(host, made)
    # three values of the preset are changed, or fewer
    preset = "custom" if "ToDo deep factor" in told else "balanced"
    assert parameters(text) == {"ToDo preset": preset} | told
    first = host.probe_counts()["rows"]
    host.probe_reset()
    again = host.post("/sdapi/v1/txt2img", {"infotext": text, **QUIET, **SAME_IN_HIRES})
    # The file, hence the image and the infotext in it.
    assert images(again)[0] == made
    assert host.probe_counts()["rows"] == first


def test_there_and_back_in_img2img(host: Host) -> None:
    host.use("tiny15_a")
    body = {**SQUARE, "denoising_strength": 0.5}
    made = host.img2img(picture(128, 128), **body, **POOLING.asked(method="max"))
    # In img2img the host itself takes from the text what belongs to scripts, and nothing else.
    again = host.img2img(picture(128, 128), **body, infotext=infotext(made))
    assert again["images"] == made["images"]
    assert parameters(infotext(again))["ToDo method"] == "max"


def test_a_text_without_todo_leaves_it_off(host: Host) -> None:
    host.use("tiny15_a")
    without = host.txt2img(**SQUARE)
    assert parameters(infotext(without)) == {}
    host.txt2img(**SQUARE, **POOLING.asked())
    host.probe_reset()
    again = host.post("/sdapi/v1/txt2img", {"infotext": infotext(without), **QUIET})
    assert again["images"] == without["images"]
    check(host, "tiny15", first=Pass(128, 128, 4, None))


def test_arguments_go_before_the_text(host: Host) -> None:
    """What a request names itself holds; the rest comes from the text."""
    host.use("tiny15_a")
    text = infotext(host.txt2img(**SQUARE, **POOLING.asked(method="average", end=0.5)))
    host.probe_reset()
    asked = {"alwayson_scripts": {"ToDo": {"args": [{"factor": 3}]}}}
    answer = host.post("/sdapi/v1/txt2img", {"infotext": text, **QUIET, **asked})
    expected = Pooling(factor=3, deep_factor=1.5, threshold=8)
    check(host, "tiny15", first=Pass(128, 128, 4, expected, pooled_in={0, 1}))
    assert parameters(infotext(answer))["ToDo method"] == "average"


def test_the_older_extensions_keys(host: Host) -> None:
    host.use("tiny15_a")
    off = host.txt2img(**SQUARE)
    older = ", ToDo factor: 2, ToDo factor2: 1, ToDo disable after: 0.5, ToDo threshold: 4"
    host.probe_reset()
    answer = host.post("/sdapi/v1/txt2img", {"infotext": infotext(off) + older, **QUIET})
    expected = Pooling(factor=2, deep_factor=1, threshold=4)
    check(host, "tiny15", first=Pass(128, 128, 4, expected, pooled_in={0, 1}))
    assert parameters(infotext(answer)) == {
        # The older extension has the paper's rule alone.
        "ToDo preset": "paper",
        "ToDo factor": "2",
        "ToDo deep factor": "1",
        "ToDo threshold": "4",
        "ToDo steps": "0-0.5",
    }


@pytest.mark.parametrize(
    ("forged", "named"),
    [
        ("ToDo factor: 99", ("ToDo factor", "99", "1 to 8")),
        ("ToDo factor: nan", ("ToDo factor", "nan", "1 to 8")),
        ("ToDo factor: 2, ToDo deep factor: deep", ("ToDo deep factor", "deep", "1 to 8")),
        ("ToDo factor: 2, ToDo threshold: 0", ("ToDo threshold", "0", "1 to 512")),
        ("ToDo factor: 2, ToDo threshold: 1e9", ("ToDo threshold", "1e9", "1 to 512")),
        ("ToDo factor: 2, ToDo method: magic", ("ToDo method", "magic", "nearest-exact")),
        ("ToDo factor: 2, ToDo pass: third", ("ToDo pass", "third", "hires")),
        ("ToDo factor: 2, ToDo steps: 0.8-0.2", ("ToDo steps", "0.8-0.2", "no greater")),
        ("ToDo factor: 2, ToDo steps: early", ("ToDo steps", "early", "0 to 1")),
        ("ToDo factor: 2, ToDo factor2: 0.5", ("ToDo factor2", "0.5", "1 to 8")),
        ("ToDo factor: 2, ToDo disable after: 2", ("ToDo disable after", "2", "0 to 1")),
    ],
)
def test_a_forged_value_is_an_error(host: Host, forged: str, named: tuple[str, ...]) -> None:
    text = f"a cat\nSteps: 4, Sampler: Euler, Seed: 1, Size: 128x128, {forged}"
    response = host.request("POST", "/sdapi/v1/txt2img", json={"infotext": text, **QUIET})
    assert not response.ok
    told = response.json()
    assert "images" not in told
    for part in named:
        assert part in told["errors"]
    assert host.probe_counts()["unet_calls"] == 0


def test_after_a_forged_text_the_next_one_works(host: Host) -> None:
    host.use("tiny15_a")
    good = infotext(host.txt2img(**SQUARE, **POOLING.asked()))
    forged = good.replace("ToDo factor: 2", "ToDo factor: 9")
    assert forged != good
    bad = host.request("POST", "/sdapi/v1/txt2img", json={"infotext": forged, **QUIET})
    assert not bad.ok
    host.probe_reset()
    answer = host.post("/sdapi/v1/txt2img", {"infotext": good, **QUIET})
    assert infotext(answer) == good
    check(host, "tiny15", first=Pass(128, 128, 4, POOLING))
