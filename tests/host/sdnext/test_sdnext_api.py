"""SD.Next by its API, where it has ways of its own: samplers, passes, errors, the plot."""

from __future__ import annotations

from typing import Any

import pytest
from expect import (
    CLEAN,
    HIRES,
    Pass,
    Pooling,
    all_pixels,
    check,
    infotext,
    parameters,
    picture,
    todo,
)
from host import Host
from told import info, pooled, reasons, report_of, steps, used

pytestmark = pytest.mark.kinds("sdnext")
BY_TWO = Pooling(factor=2, deep_factor=1, threshold=12)
ON = todo(threshold=8)
PASSES = HIRES | {"steps": 4}


@pytest.mark.parametrize("how", ["RuntimeError", "KeyError", "interrupt", "skip"])
@pytest.mark.parametrize(("body", "call", "last"), [({}, 3, 4), (PASSES, 6, 8)])
def test_after_a_generation_that_was_broken_off(
    host: Host, how: str, body: dict[str, Any], call: int, last: int
) -> None:
    off, on = (all_pixels(host.txt2img(**body, **asked)) for asked in ({}, ON))
    host.probe_fault(how, call)
    # with some errors the host answers with the image as far as it got
    host.request("POST", "/sdapi/v1/txt2img", json=host.body(**body, **ON))
    assert call - 1 <= host.probe_counts()["unet_calls"] < last
    assert host.probe_leftovers() == CLEAN
    assert all_pixels(host.txt2img(**body)) == off != on
    assert all_pixels(host.txt2img(**body, **ON)) == on


@pytest.mark.parametrize(
    ("sampler", "evaluations", "counted"),
    [
        *((name, 4, (4, 4)) for name in ("Euler a", "DPM++ 2M", "UniPC", "DDIM", "LMSD")),
        # the model's own: PNDM goes through the second timestep twice
        ("Default", 5, (4, 4)),
        # of the host's own
        ("RES-Multistep 2M", 4, (4, 4)),
    ],
)
def test_sampler(host: Host, sampler: str, evaluations: int, counted: tuple[int, int]) -> None:
    answer = host.txt2img(sampler_name=sampler, **BY_TWO.asked())
    assert host.probe_counts()["unet_calls"] == evaluations
    assert pooled(report_of(answer)) == {(1024, 256): 5}
    assert steps(report_of(answer)) == counted


def test_window_and_batches(host: Host) -> None:
    answer = host.txt2img(batch_size=2, n_iter=2, **BY_TWO.asked(start=0.25, end=0.75))
    check(host, "tiny15", first=Pass(256, 256, 4, BY_TWO, {1, 2}, calls=2))
    assert steps(report_of(answer)) == (4, 8)
    assert len(answer["images"]) == 4
    assert all("ToDo factor: 2" in text for text in info(answer)["infotexts"])
    assert used(infotext(answer)) == {(1024, 256)}


def test_img2img(host: Host) -> None:
    """Half the strength is half the steps, and Start counts in those."""
    asked = {"denoising_strength": 0.5, "steps": 8, **BY_TWO.asked(start=0.5)}
    ran = report_of(host.img2img(picture(256, 256), **asked))["steps"]["seen"]
    assert 4 <= ran <= 8
    check(host, "tiny15", first=Pass(256, 256, ran, BY_TWO, range(ran // 2, ran)))


@pytest.mark.parametrize("passes", ["both", "first", "hires"])
def test_hires_pass_by_pass(host: Host, passes: str) -> None:
    asked = Pooling(factor=2, deep_factor=1, threshold=8)
    answer = host.txt2img(**PASSES, **asked.asked(passes=passes))
    wanted = {name: asked if passes in ("both", name) else None for name in ("first", "hires")}
    first, second = Pass(128, 128, 4, wanted["first"]), Pass(256, 256, 4, wanted["hires"])
    check(host, "tiny15", first=first, hires=second)
    for name, counts in report_of(answer)["passes"].items():
        assert ("other_pass" in reasons(counts)) is (wanted[name] is None)


def test_an_upscaler_is_no_pass_of_its_own(host: Host) -> None:
    unforced = {**PASSES, "hr_force": False, "hr_upscaler": "Resize Nearest"}
    told = report_of(host.txt2img(**unforced, **Pooling(2, 1, 8).asked()))
    assert set(told["passes"]) == set(told["sizes"]) == {"first"}


def test_the_plot_has_our_axes(host: Host) -> None:
    def plot(values: str) -> dict[str, Any]:
        args = ["[ToDo] factor", values, [], "Nothing", "", [], "Nothing", "", []]
        # typed values; neither legend nor grid
        args += [True, False, False, False, False, True, *shown[15:]]
        return {"script_name": name, "script_args": args}

    name = "xyz grid script"
    # the Control tab's is told as one of txt2img
    script = next(one for one in host.get("/sdapi/v1/script-info") if one["name"] == name)
    shown = [arg.get("value") for arg in script["args"]]
    answer = host.txt2img(**plot("2, 3"), **ON)
    texts = [parameters(text) for text in info(answer)["infotexts"]]
    assert [text["ToDo factor"] for text in texts] == ["2", "3"]
    assert len(set(all_pixels(answer))) == 2
    host.probe_reset()
    # a bad value makes no image
    bad = host.request("POST", "/sdapi/v1/txt2img", json=host.body(**plot("2, 99")))
    assert bad.status_code != 200 or bad.json()["images"] == []
    assert host.probe_counts()["unet_calls"] == 0
