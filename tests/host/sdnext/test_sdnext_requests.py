"""Requests to SD.Next: bad values, what script-info lists, the line's option, the plot's axes."""

from __future__ import annotations

from typing import Any

import pytest
from expect import CLEAN, all_pixels, info, parameters, picture, todo
from requests_shared import AXES
from sdnext_host import SdNextHost

from lib_todo.settings import FIELDS

ON = {"enabled": True, "threshold": 8}
LABELS = [f"[ToDo] {axis}" for axis in AXES]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ([{"factor": 99}], "factor = 99"),
        ([True, 0.5], "factor = 0.5"),
        ([{"facto": 2}], "facto"),
        ([{"phase": "sideways"}], "sideways"),
        ([{"start": 0.8, "end": 0.2}], "start = 0.8"),
        ([True, *[0] * 20], "args"),
    ],
)
@pytest.mark.parametrize("path", ["txt2img", "img2img"])
def test_a_bad_value_is_refused(sdnext: SdNextHost, path: str, args: list[Any], named: str) -> None:
    body = {"alwayson_scripts": {"ToDo": {"args": args}}}
    if path == "img2img":
        body = sdnext.img2img_body(picture(256, 256), **body)
    answer = sdnext.request("POST", f"/sdapi/v1/{path}", json=sdnext.body(**body))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("ToDo: ") and named in answer.json()["detail"]
    assert sdnext.probe_counts()["unet_calls"] == 0
    assert sdnext.probe_leftovers() == CLEAN
    assert len(sdnext.txt2img(**todo(**ON))["images"]) == 1


def test_script_info_lists_the_settings(sdnext: SdNextHost) -> None:
    ours = [script for script in sdnext.script_info() if script["name"] == "todo"]
    # the Control tab's is told as one of txt2img
    assert sorted(script["is_img2img"] for script in ours) == [False, False, True]
    for script in ours:
        assert len(script["args"]) == len(FIELDS)


def test_without_the_line(sdnext: SdNextHost) -> None:
    with sdnext.options_set({"todo_show_line": True}, todo_show_line=False):
        told = info(sdnext.txt2img(**todo(**ON)))["extra_generation_params"]
    assert "ToDo factor" in told and "ToDo report" not in told


def plot(host: SdNextHost, label: str, values: str) -> dict[str, Any]:
    (script,) = [
        script
        for script in host.script_info()
        if script["name"] == "xyz grid script" and not script["is_img2img"]
    ][:1]
    args = [arg.get("value") for arg in script["args"]]
    args[:9] = [label, values, [], "Nothing", "", [], "Nothing", "", []]
    # typed values; neither legend nor grid
    args[9:13] = [True, False, False, False]
    args[13:15] = [False, True]
    return {"script_name": "xyz grid script", "script_args": args}


def test_the_plot_has_our_axes(sdnext: SdNextHost) -> None:
    answer = sdnext.txt2img(**plot(sdnext, "[ToDo] factor", "2, 3"), **todo(threshold=8))
    texts = [parameters(text) for text in info(answer)["infotexts"]]
    assert [text["ToDo factor"] for text in texts] == ["2", "3"]
    assert len(set(all_pixels(answer))) == 2


def test_a_bad_value_of_an_axis_makes_no_image(sdnext: SdNextHost) -> None:
    body = sdnext.body(**plot(sdnext, "[ToDo] factor", "2, 99"))
    answer = sdnext.request("POST", "/sdapi/v1/txt2img", json=body)
    assert answer.status_code != 200 or answer.json()["images"] == []
    assert sdnext.probe_counts()["unet_calls"] == 0
