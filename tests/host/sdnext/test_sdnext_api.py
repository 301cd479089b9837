"""SD.Next by its API: what its layers are given, off is off, what goes in and out as text."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from expect import (
    CLEAN,
    Pass,
    Pooling,
    all_pixels,
    check,
    infotext,
    parameters,
    picture,
    todo,
)
from sdnext_host import HIRES, SdNextHost
from told import generations, info, pooled, reasons, report_of, sizes, steps, used

BY_TWO = Pooling(factor=2, deep_factor=1, threshold=12)
ON = todo(threshold=8)
SQUARE = {"width": 128, "height": 128}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "txt2img": ("tiny15", {}),
    "hires": ("tiny15", HIRES),
    "img2img": ("tiny15", {**SQUARE, "denoising_strength": 0.9}),
    "sdxl": ("tinyxl", {}),
}


def make(host: SdNextHost, request_name: str, **more: Any) -> list[bytes]:
    checkpoint, body = REQUESTS[request_name]
    host.use(checkpoint)
    if request_name == "img2img":
        return all_pixels(host.img2img(picture(128, 128), **body | more))
    return all_pixels(host.txt2img(**body | more))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """The images of a host without the extension, which stops as soon as they are made."""
    with SdNextHost(tmp_path_factory.mktemp("bare"), with_todo=False) as host:
        return {request_name: make(host, request_name) for request_name in REQUESTS}


# first, since the host without ToDo is to be gone before the other one starts
@pytest.mark.parametrize("request_name", REQUESTS)
def test_off_on_off(bare: dict[str, list[bytes]], sdnext: SdNextHost, request_name: str) -> None:
    assert make(sdnext, request_name) == bare[request_name]
    on = make(sdnext, request_name, **ON)
    assert len(on) == len(bare[request_name]) and on != bare[request_name]
    assert sdnext.probe_leftovers() == CLEAN
    assert make(sdnext, request_name) == bare[request_name]


@pytest.mark.parametrize("how", ["RuntimeError", "KeyError", "interrupt", "skip"])
@pytest.mark.parametrize("request_name", ["txt2img", "hires"])
def test_after_a_generation_that_was_broken_off(
    bare: dict[str, list[bytes]], sdnext: SdNextHost, request_name: str, how: str
) -> None:
    call = 3 if request_name == "txt2img" else 6
    if how in ("interrupt", "skip"):
        sdnext.probe_fault(how, unet_call=call, where="unet")
    else:
        sdnext.probe_fault("raise", exception=how, unet_call=call, where="unet")
    # with some errors the host answers with the image as far as it got
    sdnext.request("POST", "/sdapi/v1/txt2img", json=sdnext.body(**REQUESTS[request_name][1], **ON))
    assert call - 1 <= sdnext.probe_counts()["unet_calls"] < (4 if request_name == "txt2img" else 8)
    assert sdnext.probe_leftovers() == CLEAN
    assert make(sdnext, request_name) == bare[request_name]
    assert make(sdnext, request_name, **ON) != bare[request_name]


@pytest.mark.parametrize(("family", "threshold"), [("tiny15", 12), ("tinyxl", 6)])
@pytest.mark.parametrize("factor", [0, 2, 2.5])
def test_factor(sdnext: SdNextHost, family: str, threshold: int, factor: float) -> None:
    sdnext.use(family)
    pooling = Pooling(factor, threshold=threshold)
    answer = sdnext.txt2img(**pooling.asked())
    check(sdnext, family, first=Pass(256, 256, 4, pooling))
    told = parameters(infotext(answer))
    assert told["ToDo factor"] == (f"{factor:g}" if factor else "automatic")


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "UniPC", "DDIM", "LMSD"])
def test_sampler(sdnext: SdNextHost, sampler: str) -> None:
    answer = sdnext.txt2img(sampler_name=sampler, **BY_TWO.asked())
    check(sdnext, "tiny15", first=Pass(256, 256, 4, BY_TWO))
    assert steps(report_of(answer)) == (4, 4)


@pytest.mark.parametrize(
    ("sampler", "evaluations", "counted"),
    [
        # the model's own: PNDM goes through the second timestep twice
        ("Default", 5, (4, 4)),
        # of the host's own: it announces no timesteps, so no number of steps is claimed
        ("RES-Multistep 2M", 4, (0, 0)),
    ],
)
def test_a_scheduler_that_counts_in_its_own_way(
    sdnext: SdNextHost, sampler: str, evaluations: int, counted: tuple[int, int]
) -> None:
    answer = sdnext.txt2img(sampler_name=sampler, **BY_TWO.asked())
    assert sdnext.probe_counts()["unet_calls"] == evaluations
    assert pooled(report_of(answer)) == {(1024, 256): 5}
    assert steps(report_of(answer)) == counted


def test_window_and_batches(sdnext: SdNextHost) -> None:
    answer = sdnext.txt2img(batch_size=2, n_iter=2, **BY_TWO.asked(start=0.25, end=0.75))
    check(sdnext, "tiny15", first=Pass(256, 256, 4, BY_TWO, {1, 2}, calls=2))
    assert steps(report_of(answer)) == (4, 8)
    assert len(answer["images"]) == 4
    assert all("ToDo factor: 2" in text for text in info(answer)["infotexts"])
    assert used(infotext(answer)) == {"first": {(32, 32): 2}}


def test_img2img(sdnext: SdNextHost) -> None:
    """Half the strength is half the steps, and Start counts in those."""
    asked = {"denoising_strength": 0.5, "steps": 8, **BY_TWO.asked(start=0.5)}
    ran = report_of(sdnext.img2img(picture(256, 256), **asked))["steps"]["seen"]
    assert 4 <= ran <= 8
    check(sdnext, "tiny15", first=Pass(256, 256, ran, BY_TWO, range(ran // 2, ran)))


@pytest.mark.parametrize("passes", ["both", "first", "hires"])
def test_hires_pass_by_pass(sdnext: SdNextHost, passes: str) -> None:
    asked = Pooling(factor=2, deep_factor=1, threshold=8)
    answer = sdnext.txt2img(**HIRES, **asked.asked(passes=passes))
    wanted = {name: asked if passes in ("both", name) else None for name in ("first", "hires")}
    first, second = Pass(128, 128, 4, wanted["first"]), Pass(256, 256, 4, wanted["hires"])
    check(sdnext, "tiny15", first=first, hires=second)
    told = report_of(answer)
    assert sizes(told) == {"first": [(128, 128)], "hires": [(256, 256)]}
    for name, counts in told["passes"].items():
        assert ("other_pass" in reasons(counts)) is (wanted[name] is None)


def test_an_upscaler_is_no_pass_of_its_own(sdnext: SdNextHost) -> None:
    unforced = {**HIRES, "hr_force": False, "hr_upscaler": "Resize Nearest"}
    told = report_of(sdnext.txt2img(**unforced, **Pooling(2, 1, 8).asked()))
    assert set(told["passes"]) == set(told["sizes"]) == {"first"}


def test_the_moving_lattice_takes_every_token_once(sdnext: SdNextHost) -> None:
    sdnext.watch_positions()
    sdnext.txt2img(steps=5, **BY_TWO.asked(phase="moving"))
    taken: dict[str, list[list[int]]] = {}
    for call in sdnext.probe_positions():
        taken.setdefault(call["layer"], []).append(call["first"])
    assert len(taken) == 5
    for rounds in taken.values():
        assert len(rounds) == 5
        assert sorted(itertools.chain(*rounds[:4])) == list(range(1024))
        assert rounds[4] == rounds[0]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ([{"factor": 99}], "factor = 99"),
        ([{"facto": 2}], "facto"),
        ([{"start": 0.8, "end": 0.2}], "start = 0.8"),
    ],
)
def test_a_bad_value_is_refused(sdnext: SdNextHost, args: list[Any], named: str) -> None:
    bad = {"alwayson_scripts": {"ToDo": {"args": args}}}
    assert named in sdnext.refusal(**sdnext.body(**bad))
    assert named in sdnext.refusal("img2img", **sdnext.img2img_body(picture(256, 256), **bad))
    assert sdnext.probe_leftovers() == CLEAN
    assert len(sdnext.txt2img(**ON)["images"]) == 1


def test_without_the_line_and_off(sdnext: SdNextHost) -> None:
    with sdnext.options_set({"todo_show_line": True}, todo_show_line=False):
        answer = sdnext.txt2img(**ON)
    assert "ToDo factor" in parameters(infotext(answer))
    assert generations(info(answer)) == []
    assert "ToDo" not in sdnext.txt2img()["info"]


def plot(host: SdNextHost, label: str, values: str) -> dict[str, Any]:
    scripts = host.get("/sdapi/v1/script-info")
    # the Control tab's is told as one of txt2img
    script = next(one for one in scripts if one["name"] == "xyz grid script")
    args = [arg.get("value") for arg in script["args"]]
    args[:9] = [label, values, [], "Nothing", "", [], "Nothing", "", []]
    # typed values; neither legend nor grid
    args[9:15] = [True, False, False, False, False, True]
    return {"script_name": "xyz grid script", "script_args": args}


def test_the_plot_has_our_axes(sdnext: SdNextHost) -> None:
    answer = sdnext.txt2img(**plot(sdnext, "[ToDo] factor", "2, 3"), **ON)
    texts = [parameters(text) for text in info(answer)["infotexts"]]
    assert [text["ToDo factor"] for text in texts] == ["2", "3"]
    assert len(set(all_pixels(answer))) == 2
    sdnext.probe_reset()
    # a bad value makes no image
    body = sdnext.body(**plot(sdnext, "[ToDo] factor", "2, 99"))
    bad = sdnext.request("POST", "/sdapi/v1/txt2img", json=body)
    assert bad.status_code != 200 or bad.json()["images"] == []
    assert sdnext.probe_counts()["unet_calls"] == 0
