"""The page's own requests: generate, and "hires this image", which the API does not reach."""

from __future__ import annotations

import json
from typing import Any

from expect import CLEAN, PAPER_TEXT, Pass, Pooling, check, parameters
from host import SMALL, Host
from todo_report import generations, numbers, pooled, steps

POOLING = Pooling(threshold=8)
FIELDS = {
    "txt2img_prompt": SMALL["prompt"],
    "txt2img_seed": 1,
    "txt2img_sampling": "Euler",
    "txt2img_width": 128,
    "txt2img_height": 128,
    "txt2img_steps": 2,
    "txt2img_hires_steps": 1,
    "script_txt2img_todo_enabled-checkbox": True,
    "script_txt2img_todo_threshold": 8,
    "script_txt2img_todo_scale": 1,
    "script_txt2img_todo_deep_scale": "0",
    "script_txt2img_todo_phase": "fixed",
}


def press(host: Host, script: str, **fields: Any) -> list[Any]:
    """Send what the page sends from the button with this script; fields by their elem_id.

    Returns the gallery, the generation's info, the infotext, and the line below the image.
    """
    page = host.get("/config")
    components = {component["id"]: component["props"] for component in page["components"]}
    index, button = next(
        (index, found)
        for index, found in enumerate(page["dependencies"])
        if found["js"] == script and "txt2img_prompt" in _elem_ids(found, components)
    )
    data = []
    for id_, elem_id in zip(button["inputs"], _elem_ids(button, components)):
        props = components[id_]
        value = fields.get(elem_id, props.get("value"))
        data.append([] if value is None and props.get("multiselect") else value)
    body = {"fn_index": index, "data": ["task(todo)", *data[1:]], "session_hash": "todo"}
    return list(host.post("/run/predict", body)["data"])


def _elem_ids(button: dict[str, Any], components: dict[int, dict[str, Any]]) -> list[str]:
    return [components[id_].get("elem_id") or "" for id_ in button["inputs"]]


def infotext(info: str) -> str:
    return str(json.loads(info)["infotexts"][0])


def report_of(info: str) -> dict[str, Any]:
    (found,) = generations(json.loads(info))
    return found


def test_only_the_hires_pass_is_run_and_pooled(ui_host: Host) -> None:
    ui_host.use("tiny15_a")
    gallery, info, *_ = press(ui_host, "submit", **FIELDS)
    check(ui_host, "tiny15", first=Pass(128, 128, 2, POOLING))
    assert (pooled(report_of(info)), steps(report_of(info))) == ({(256, 64): 5}, (2, 2))

    ui_host.probe_reset()
    chosen = {"txt2img_gallery": gallery, "": 0, "generation_info_txt2img": info}
    _, info, _, below = press(ui_host, "submit_txt2img_upscale", **FIELDS, **chosen)
    check(ui_host, "tiny15", hires=Pass(256, 256, 1, POOLING))
    own = {"ToDo factor": "automatic", "ToDo threshold": "8"}
    assert parameters(infotext(info)) == PAPER_TEXT | own
    # the host keeps the first image's JSON, and its list of texts alone grows
    assert numbers(below) == ({(1024, 64), (256, 64)}, (1, 1))


def test_only_the_first_pass_was_asked_for(ui_host: Host) -> None:
    """There is none, so nothing is pooled, and the page says so."""
    ui_host.use("tiny15_a")
    wanted = FIELDS | {"script_txt2img_todo_passes": "first"}
    gallery, info, *_ = press(ui_host, "submit", **wanted)
    assert parameters(infotext(info))["ToDo pass"] == "first"

    ui_host.probe_reset()
    chosen = {"txt2img_gallery": gallery, "": 0, "generation_info_txt2img": info}
    _, info, _, below = press(ui_host, "submit_txt2img_upscale", **wanted, **chosen)
    check(ui_host, "tiny15", hires=Pass(256, 256, 1, None))
    assert parameters(infotext(info))["ToDo pass"] == "first"
    assert numbers(below)[0] == set()
    assert "256×256" in below


def test_a_bad_value_is_told_where_the_image_would_be(ui_host: Host) -> None:
    """A page restored from a broken ui-config.json may send anything."""
    ui_host.use("tiny15_a")
    bad = FIELDS | {"script_txt2img_todo_factor": "99"}
    gallery, *_, below = press(ui_host, "submit", **bad)
    assert not gallery
    assert "factor = 99" in below
    assert ui_host.probe_counts()["unet_calls"] == 0

    # Without the tick nobody asked for ToDo, whatever the other fields hold.
    off = bad | {"script_txt2img_todo_enabled-checkbox": False}
    gallery, *_ = press(ui_host, "submit", **off)
    assert len(gallery) == 1
    check(ui_host, "tiny15", first=Pass(128, 128, 2, None))
    assert ui_host.probe_leftovers() == CLEAN
