"""Off, and after any end of a generation, the host is as it is without the extension."""

from __future__ import annotations

from typing import Any

import pytest
from expect import (
    CLEAN,
    HIRES,
    Pooling,
    first_pixels,
    infotext,
    parameters,
    picture,
    pixels,
    todo,
)
from host import Host, HostFactory, images
from kinds import every_kind, everywhere
from told import line, pooled, reasons, report_of

POOLING = Pooling(factor=2, threshold=4)
# one request of each kind: the checkpoint, and what to ask the host for
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "txt2img": ("tiny15_a", {"steps": 2}),
    "hires": ("tiny15_a", HIRES),
    "img2img": (
        "tiny15_a",
        {"width": 128, "height": 128, "steps": 2, "denoising_strength": 0.9},
    ),
    "sdxl": ("tinyxl_a", {"steps": 2}),
}


def make(host: Host, request: str, **more: Any) -> list[bytes]:
    """The files of one of the requests, with the infotext in them."""
    checkpoint, body = REQUESTS[request]
    host.use(checkpoint)
    if request == "img2img":
        return images(host.img2img(picture(128, 128), **body | more))
    return images(host.txt2img(**body | more))


@pytest.fixture(scope="module")
def bare(new_host: HostFactory) -> dict[str, list[bytes]]:
    """What a host without the extension makes."""
    with new_host(extensions=()) as host:
        names = [script["name"] for script in host.get("/sdapi/v1/script-info")]
        assert not [name for name in names if name.startswith("todo")]
        return {request: make(host, request) for request in REQUESTS}


@everywhere
@pytest.mark.parametrize("request_name", REQUESTS)
def test_before_and_after_on(host: Host, bare: dict[str, list[bytes]], request_name: str) -> None:
    assert make(host, request_name) == bare[request_name]
    assert make(host, request_name, **POOLING.asked()) != bare[request_name]
    assert host.probe_leftovers() == CLEAN
    for off in ({}, todo(enabled=False)):
        assert make(host, request_name, **off) == bare[request_name]


@everywhere
@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"threshold": 64}, {"below_threshold": 16}),
        ({"factor": 1, "deep_factor": 1}, {"factor_one": 10}),
        ({"start": 0.5, "end": 0.5}, {"outside_window": 10}),
        ({"passes": "hires"}, {"other_pass": 10}),
    ],
    ids=str,
)
def test_on_with_nothing_to_pool(
    host: Host, bare: dict[str, list[bytes]], settings: dict[str, Any], why: dict[str, int]
) -> None:
    """Bit for bit the image without it; line and text tell that it was on, and why in vain."""
    answer = host.txt2img(steps=2, **todo(**{"preset": "paper", "threshold": 8, **settings}))
    assert first_pixels(answer) == pixels(bare["txt2img"][0])
    told = report_of(answer)
    assert (pooled(told), reasons(told)) == ({}, {"below_threshold": 6} | why)
    assert "ToDo used: as without ToDo" in infotext(answer)
    assert parameters(infotext(answer))["ToDo preset"] in ("paper", "custom")
    assert host.probe_leftovers() == CLEAN


@every_kind
@pytest.mark.parametrize("in_pass", ["first", "hires"])
@pytest.mark.parametrize("how", ["RuntimeError", "interrupt", "skip"])
def test_after_a_generation_that_was_broken_off(
    host: Host, bare: dict[str, list[bytes]], how: str, in_pass: str
) -> None:
    call = {"first": 1, "hires": 3}[in_pass]
    asked = HIRES | {"steps": 2, "hr_second_pass_steps": 2} | POOLING.asked()
    on = images(host.txt2img(**asked))
    host.probe_fault(how, call)
    if how == "RuntimeError":
        response = host.request("POST", "/sdapi/v1/txt2img", json=host.body(**asked))
        assert (response.status_code, "on purpose" in response.text) == (500, True)
    else:
        answer = host.txt2img(**asked)
        assert "ToDo factor: 2" in infotext(answer)
        assert "in its step 1 of 2" in str(line(answer))
    # a skip ends it too: the host takes it back before the next batch, not the next pass
    assert host.probe_counts()["unet_calls"] == call
    assert host.probe_leftovers() == CLEAN
    assert make(host, "hires") == bare["hires"]
    assert images(host.txt2img(**asked)) == on
