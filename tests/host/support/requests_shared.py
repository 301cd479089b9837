"""Requests that the tests of several hosts make, and how their answers are read."""

from __future__ import annotations

import base64
import time
from typing import Any

import requests
from expect import (
    HIRES,
    Pass,
    Pooling,
    check,
    info,
    infotext,
    lower_half,
    parameters,
    picture,
    pixels,
)
from host import START_SECONDS, Host, images

# by family: 256×256 pixels give SD 1.5 grids of 32, 16, 8, 4 a side and SDXL 16, 8
THRESHOLDS = {"tiny15": 12, "tinyxl": 6}


def check_factor(host: Host, family: str, factor: float) -> dict[str, Any]:
    """Two steps by this factor: the layers get the right keys, the image's text has the factor."""
    host.use(f"{family}_a")
    pooling = Pooling(factor, deep_factor=0, threshold=THRESHOLDS[family])
    answer = host.txt2img(steps=2, **pooling.asked())
    check(host, family, first=Pass(256, 256, 2, pooling))
    assert parameters(infotext(answer))["ToDo factor"] == (f"{factor:g}" if factor else "automatic")
    return answer


def paint_lower_half(host: Host, only_masked: bool, **asked: Any) -> None:
    """The half that is not masked stays as it was, the other is painted, in two steps."""
    original = picture(128, 128)
    answer = host.img2img(
        original,
        mask=base64.b64encode(lower_half(128, 128)).decode(),
        mask_blur=0,
        inpaint_full_res=only_masked,
        inpaint_full_res_padding=0,
        denoising_strength=0.5,
        width=128,
        height=128,
        steps=3,
        **asked,
    )
    made, before = pixels(images(answer)[0]), pixels(original)
    half = len(before) // 2
    assert made[:half] == before[:half]
    assert made[half:] != before[half:]


QUIET = {"do_not_save_samples": True, "do_not_save_grid": True}


# The host reads "the same" out of a text in words that its API then refuses.
SAME_IN_HIRES = {"hr_sampler_name": "Euler", "hr_scheduler": "Automatic"}


def text_of(host: Host, image: bytes) -> str:
    """What the host reads out of an image's file."""
    answer = host.post("/sdapi/v1/png-info", {"image": base64.b64encode(image).decode()})
    return str(answer["info"])


SMALL_SQUARE = {"width": 128, "height": 128, "steps": 2}


# One request of each kind: the checkpoint, and what to ask the host for.
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "txt2img": ("tiny15_a", {"steps": 2}),
    "hires": ("tiny15_a", HIRES),
    "img2img": ("tiny15_a", {**SMALL_SQUARE, "denoising_strength": 0.9}),
    "sdxl": ("tinyxl_a", {"steps": 2}),
}


def make(host: Host, kind: str, **more: Any) -> list[bytes]:
    """The files of one kind of request, with the infotext in them."""
    checkpoint, body = REQUESTS[kind]
    host.use(checkpoint)
    if kind == "img2img":
        return images(host.img2img(picture(128, 128), **body | more))
    return images(host.txt2img(**body | more))


def reload(host: Host) -> None:
    """Reload and return when the host answers again."""
    starts = host.log().count("Startup time:")
    host.post("/todo-probe/reload")
    deadline = time.monotonic() + START_SECONDS
    while host.log().count("Startup time:") == starts:
        assert time.monotonic() < deadline, host.log_tail()
        time.sleep(0.2)
    assert requests.get(f"{host.url}/todo-probe/ready", timeout=10).json()
    host.probe_reset()


AXES = (
    *("preset", "enabled", "factor", "deep factor", "threshold", "scale", "deep scale"),
    *("method", "phase", "start", "end", "pass", "above"),
)


def plot_arguments(host: Host, is_img2img: bool = False) -> list[dict[str, Any]]:
    """What the host says of the arguments of its plot."""
    (script,) = [
        script
        for script in host.script_info()
        if script["name"] == "x/y/z plot" and script["is_img2img"] == is_img2img
    ]
    return list(script["args"])


def axis_labels(host: Host, is_img2img: bool = False) -> list[str]:
    """The axes that the plot offers, in the order that its arguments count them."""
    return list(plot_arguments(host, is_img2img)[0]["choices"])


def plot(host: Host, x: tuple[str, str], y: tuple[str, str] = ("Nothing", "")) -> dict[str, Any]:
    """A request for a plot of axes by label and values as one types them."""
    known = plot_arguments(host)
    labels = list(known[0]["choices"])
    args: list[Any] = []
    for label, values in (x, y, ("Nothing", "")):
        args += [labels.index(label), values, []]
    legend, lone_images, sub_grids, any_seeds, margin, typed = False, True, False, False, 0, True
    args += [legend, lone_images, sub_grids, any_seeds]
    # other seeds along an axis: three arguments since 1.8
    args += [False] * (len(known) - len(args) - 2)
    return {"script_name": "x/y/z plot", "script_args": [*args, margin, typed]}


def cells(answer: dict[str, Any]) -> list[dict[str, str]]:
    """ToDo's part of each cell's infotext; the first is the grid's and is left out."""
    return [parameters(text) for text in info(answer)["infotexts"][1:]]
