"""With --nowebui everything works as with the page: axes, options, the hint."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from expect import info, infotext, picture, todo
from host import Host
from todo_report import generations, line, pooled, report_of

SQUARE = {"width": 128, "height": 128, "steps": 4}
BY_TWO = {"factor": 2, "deep_factor": 1, "threshold": 8}
AXES = ("preset", "enabled", "factor", "threshold", "method", "start", "end", "pass")


def labels(host: Host) -> list[str]:
    scripts = {(s["name"], s["is_img2img"]): s for s in host.script_info()}
    return list(scripts["x/y/z plot", False]["args"][0]["choices"])


def plot(host: Host, axis: str, values: str) -> dict[str, Any]:
    args: list[Any] = [labels(host).index(f"[ToDo] {axis}"), values, [], 0, "", [], 0, "", []]
    args += [False, True, False, False, False, False, False, 0, True]
    return {"script_name": "x/y/z plot", "script_args": args}


def test_the_axes_are_there(host: Host) -> None:
    assert {f"[ToDo] {name}" for name in AXES} <= set(labels(host))


def test_the_marker_of_surplus_values_is_no_setting(host: Host) -> None:
    for script in host.script_info():
        if script["name"] == "todo":
            assert not [arg for arg in script["args"] if "no more" in arg["label"]]


@pytest.mark.parametrize("values", ["2, nine", "99", "nan"])
def test_a_bad_axis_value_is_status_422(host: Host, values: str) -> None:
    body = host.body(**SQUARE, **plot(host, "factor", values))
    response = host.request("POST", "/sdapi/v1/txt2img", json=body)
    assert response.status_code == 422
    assert "factor" in response.json()["detail"]
    assert host.probe_counts()["unet_calls"] == 0


def test_each_cell_is_told(host: Host) -> None:
    host.use("tiny15_a")
    answer = host.txt2img(**SQUARE, **plot(host, "factor", "2, 4"), **todo(**BY_TWO))
    assert len(str(line(answer)).splitlines()) == 2
    data = generations(info(answer))
    assert [cell["settings"]["factor"] for cell in data] == [2, 4]
    assert [pooled(cell) for cell in data] == [{(256, 64): 5}, {(256, 16): 5}]
    assert all("ToDo report" not in text for text in info(answer)["infotexts"])


def test_a_bad_value_in_an_infotext_is_status_422(host: Host) -> None:
    host.use("tiny15_a")
    good = infotext(host.txt2img(**SQUARE, **todo(**BY_TWO)))
    bad = good.replace("ToDo threshold: 8", "ToDo threshold: 999")
    assert bad != good
    response = host.request("POST", "/sdapi/v1/txt2img", json={"infotext": bad})
    assert response.status_code == 422
    assert "ToDo threshold = '999' is not allowed" in response.json()["detail"]


SCRIPTS: dict[str, list[Any]] = {
    "SD upscale": [None, 0, "None", 2.0],
    "Loopback": [2, 0.5, "Linear", "None"],
    "Poor man's outpainting": [64, 4, "fill", ["left"]],
    "Prompts from file or textbox": [False, False, "start", "a\nb"],
}


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_scripts_that_build_their_own_result_tell_too(host: Host, name: str) -> None:
    host.use("tiny15_a")
    answer = host.img2img(
        picture(128, 128),
        **SQUARE,
        script_name=name,
        script_args=SCRIPTS[name],
        **todo(**BY_TWO),
    )
    assert pooled(report_of(answer)) == {(256, 64): 5}
    assert all("ToDo report" not in text for text in info(answer)["infotexts"])


@pytest.mark.parametrize(
    ("window", "pooled"), [({}, 8), ({"end": 0.5}, 2), ({"start": 0.5}, 2)], ids=str
)
def test_the_inversion_of_the_alternative_test_is_in_no_step(
    host: Host, window: dict[str, float], pooled: int
) -> None:
    """Four calls of the U-Net before the sampler's four."""
    host.use("tiny15_a")
    # another prompt each, since the script keeps its last inversion
    args = [None, True, True, str(window), "", True, 4, True, 1.0, 0.0, False]
    answer = host.img2img(
        picture(128, 128),
        **SQUARE,
        script_name="img2img alternative test",
        script_args=args,
        **todo(**BY_TWO, **window),
    )
    calls = sum(grid["calls"] for grid in report_of(answer)["grids"] if grid["reason"] is None)
    assert calls == 5 * pooled


def test_the_hint_answers_and_checks(host: Host) -> None:
    host.use("tiny15_a")
    asked = {"width": 1024, "height": 1024, "values": {"factor": "2", "deep_factor": "1"}}
    told, _ = host.post("/todo/hint", asked)["lines"]
    assert "128×128 → 64×64" in told
    host.use("tinyxl_a")
    assert "64×64 → 32×32" not in "".join(host.post("/todo/hint", asked)["lines"])
    for bad in ({"width": 0}, {"height": "high"}, {"hires": {"scale": -1}}):
        assert host.request("POST", "/todo/hint", json=asked | bad).status_code == 422


def test_the_hint_answers_while_an_image_is_made(host: Host) -> None:
    """And changes nothing of it."""
    host.use("tiny15_a")
    body = SQUARE | {"width": 256, "height": 256, "steps": 30}
    alone = host.txt2img(**body)["images"]
    host.probe_reset()
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(host.txt2img, **body)
        while host.probe_counts()["unet_calls"] < 2:
            time.sleep(0.05)
        answers = [host.post("/todo/hint", {"width": 1024, "height": 1024}) for _ in range(5)]
        assert not making.done()
        assert all(answer == answers[0] for answer in answers)
        assert making.result()["images"] == alone


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        '"wide"',
        '{"width": 1e999, "height": 512}',
        '{"width": NaN, "height": 512}',
        '{"width": 512}',
        '{"width": 512, "height": 512, "values": []}',
        '{"width": 512, "height": 512, "values": {"factor": {"a": [[[]]]}}}',
        '{"width": 512, "height": 512, "values": {"threshold": 1' + 400 * "0" + "}}",
        '{"width": 512, "height": 512, "values": {"<script>": 1}}',
        '{"width": 512, "height": 512, "values": {"enabled": "yes"}}',
        '{"width": 512, "height": 512, "hires": {"enabled": true, "checkpoint": "../../etc"}}',
        '{"width": 1, "height": 1, "hires": {"enabled": true, "x": 1}}',
        '{"width": 512, "height": 512, "refiner": {"enabled": true, "checkpoint": "none"}}',
        '{"width": 512, "height": 512, "refiner": {"enabled": true, "switch_at": -1}}',
    ],
)
def test_the_hint_is_checked_whatever_is_sent(host: Host, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = host.request("POST", "/todo/hint", data=body, headers=headers)
    assert response.status_code in (200, 422)
    if response.ok:
        assert all(isinstance(line, str) and len(line) < 500 for line in response.json()["lines"])
