"""Bad arguments: an error that names field, value and what is allowed, and no image."""

from __future__ import annotations

import json
from typing import Any

import pytest
from expect import HIRES, PAPER_TEXT, Pass, Pooling, check, infotext, parameters, picture, todo
from host import Host, images

POOLING = Pooling(factor=2, threshold=8)
SQUARE = {"width": 128, "height": 128, "steps": 1}
FACTOR = "0 (automatic) or a number from 1 to 8"
# as tests of the page find them, and translations know them
LABELS = [
    "ToDo: faster high resolution",
    "Factor",
    "Factor for deeper layers",
    "Threshold",
    "Scale",
    "Scale for deeper layers",
    "Method",
    "Phase",
    "Start",
    "End",
    "Passes",
    "Above",
]
METHOD = "nearest, nearest-exact, average, max, bilinear"
NAN, INFINITY = float("nan"), float("inf")


def post(host: Host, path: str, body: dict[str, Any]) -> Any:
    """Post as any JSON writer would; the client's own refuses NaN, while the host accepts it."""
    headers = {"Content-Type": "application/json"}
    return host.request("POST", path, data=json.dumps(body), headers=headers)


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ([{"factor": 0.5}], ("factor", "0.5", FACTOR)),
        ([{"factor": 8.5}], ("factor", "8.5", FACTOR)),
        ([{"factor": -2}], ("factor", "-2", FACTOR)),
        ([{"factor": "2"}], ("factor", "'2'", FACTOR)),
        ([{"factor": True}], ("factor", "True", FACTOR)),
        ([{"factor": None}], ("factor", "None", FACTOR)),
        ([{"factor": [2]}], ("factor", "[2]", FACTOR)),
        ([{"factor": NAN}], ("factor", "nan", FACTOR)),
        ([{"deep_factor": INFINITY}], ("deep_factor", "inf", FACTOR)),
        ([{"deep_factor": 10**400}], ("deep_factor", "1000", FACTOR)),
        ([{"threshold": 0}], ("threshold", "0", "a whole number from 1 to 512")),
        ([{"threshold": 513}], ("threshold", "513", "a whole number from 1 to 512")),
        ([{"threshold": 12.5}], ("threshold", "12.5", "a whole number from 1 to 512")),
        ([{"method": "magic"}], ("method", "'magic'", METHOD)),
        ([{"method": "Nearest"}], ("method", "'Nearest'", METHOD)),
        ([{"method": 2}], ("method", "2", METHOD)),
        ([{"start": -0.1}], ("start", "-0.1", "a number from 0 to 1")),
        ([{"end": 1.1}], ("end", "1.1", "a number from 0 to 1")),
        ([{"start": 0.6, "end": 0.4}], ("start", "0.6", "no greater than end (0.4)")),
        ([{"passes": "second"}], ("passes", "'second'", "both, first, hires")),
        ([{"enabled": "yes"}], ("enabled", "'yes'", "true or false")),
        ([{"enabled": 1}], ("enabled", "1", "true or false")),
        ([{"enabled": False, "factor": 9}], ("factor", "9", FACTOR)),
        ([{"enabled": True, "faktor": 2}], ("'faktor'", "deep_factor, threshold")),
        ([True, 9], ("factor", "9", FACTOR)),
        ([True, 2, NAN], ("deep_factor", "nan", FACTOR)),
        ([True, 2, 2, 64, 1, 0, 64], ("method", "64", METHOD)),
        (["True"], ("enabled", "'True'", "true or false")),
        ([None], ("enabled", "None", "true or false")),
        ([True, {"factor": 2}], ("factor", "{'factor': 2}", FACTOR)),
        ([[True, 2]], ("enabled", "[True, 2]", "true or false")),
    ],
    ids=str,
)
def test_refused(host: Host, args: list[Any], named: tuple[str, ...]) -> None:
    response = post(host, "/sdapi/v1/txt2img", host.body(**SQUARE, **todo(*args)))
    assert response.status_code == 422
    told = response.json()
    assert "images" not in told
    for part in named:
        assert part in told["detail"]
        assert part in told["errors"]
    assert host.probe_counts()["unet_calls"] == 0


def test_refused_with_hires_fix_and_in_img2img(host: Host) -> None:
    bad = todo(factor=99)
    for path, body in {
        "/sdapi/v1/txt2img": host.body(**HIRES, n_iter=2, **bad),
        "/sdapi/v1/img2img": host.img2img_body(picture(128, 128), **SQUARE, **bad),
    }.items():
        response = post(host, path, body)
        assert response.status_code == 422
        assert f"factor = 99 is not allowed; factor must be {FACTOR}" in response.json()["detail"]
    assert host.probe_counts()["unet_calls"] == 0


@pytest.mark.parametrize("args", [{"preset": "fast"}, {}], ids=str)
def test_an_object_instead_of_a_list_is_told_so(host: Host, args: dict[str, Any]) -> None:
    asked = host.body(**SQUARE, alwayson_scripts={"ToDo": {"args": args}})
    response = post(host, "/sdapi/v1/txt2img", asked)
    if args:
        assert response.status_code == 422
        assert "must be a list" in response.json()["detail"]
    else:
        # the host looks for no value
        assert response.status_code == 200


def test_a_long_value_does_not_flood_the_message(host: Host) -> None:
    response = post(host, "/sdapi/v1/txt2img", host.body(**todo(method="x" * 10**6)))
    assert response.status_code == 422
    assert len(response.json()["detail"]) < 300


def test_the_next_good_request_is_right(host: Host) -> None:
    host.use("tiny15_a")
    before = images(host.txt2img(**SQUARE, **POOLING.asked()))
    assert post(host, "/sdapi/v1/txt2img", host.body(**todo(factor=99))).status_code == 422
    host.probe_reset()
    assert images(host.txt2img(**SQUARE, **POOLING.asked())) == before
    check(host, "tiny15", first=Pass(128, 128, 1, POOLING))
    assert post(host, "/sdapi/v1/txt2img", host.body(**todo(factor=99))).status_code == 422
    host.probe_reset()
    host.txt2img(**SQUARE)
    check(host, "tiny15", first=Pass(128, 128, 1, None))


@pytest.mark.parametrize(
    ("args", "factor", "text"),
    [
        ([{"preset": "paper", "factor": 3, "threshold": 8}], 3, PAPER_TEXT | {"ToDo factor": "3"}),
        (
            [{"preset": "paper", "threshold": 8.0}],
            0,
            PAPER_TEXT | {"ToDo factor": "automatic"},
        ),
        (
            [True, 3, 0, 8, 1, 0],
            3,
            {"ToDo preset": "close", "ToDo factor": "3"},
        ),
        (
            [True, 3.0, 0.0, 8.0, 1.0, 0, "nearest", "fixed", 0, 1, "both"],
            3,
            PAPER_TEXT | {"ToDo factor": "3"},
        ),
    ],
    ids=str,
)
def test_accepted(host: Host, args: list[Any], factor: float, text: dict[str, str]) -> None:
    """An object without `enabled` is on; what is left out has its default; 8.0 is whole."""
    host.use("tiny15_a")
    answer = host.txt2img(**SQUARE, **todo(*args))
    check(host, "tiny15", first=Pass(128, 128, 1, Pooling(factor, threshold=8)))
    assert parameters(infotext(answer)) == text | {"ToDo threshold": "8"}


@pytest.mark.parametrize("is_img2img", [False, True])
def test_script_info_lists_the_settings_alone(host: Host, is_img2img: bool) -> None:
    (shown,) = [
        script
        for script in host.script_info()
        if script["name"] == "todo" and script["is_img2img"] == is_img2img
    ]
    assert shown["is_alwayson"]
    rows = [
        (arg["label"], arg["value"], arg["minimum"], arg["maximum"], arg["choices"])
        for arg in shown["args"]
    ]
    assert [row[0] for row in rows] == LABELS
    unbound = (None, None, None)
    assert [row[1:] for row in rows] == [
        (False, *unbound),
        ("automatic", None, None, rows[1][4]),
        ("automatic", None, None, rows[2][4]),
        (64, *unbound),
        (1.5, *unbound),
        ("1", None, None, rows[5][4]),
        ("nearest", None, None, METHOD.split(", ")),
        ("moving", None, None, ["moving", "fixed"]),
        (0, 0, 1, None),
        (1, 0, 1, None),
        ("both", None, None, ["both", "first", "hires"]),
        (1, *unbound),
    ]
    for row in (1, 2, 5):
        # zero by its name, then numbers, which are told in the order of their size
        name, *numbers = rows[row][4]
        assert not name.replace(".", "").isdigit()
        assert numbers == [f"{number:g}" for number in sorted(map(float, numbers))]
