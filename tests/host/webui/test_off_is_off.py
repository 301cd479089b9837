"""Off, and after any end of a generation, the host is as it is without the extension."""

from __future__ import annotations

from typing import Any

import pytest
from expect import CLEAN, HIRES, Pooling, infotext, pixels, todo
from host import Host, HostFactory, images
from requests_shared import REQUESTS, SMALL_SQUARE, make, text_of
from todo_report import used

POOLING = Pooling(factor=2, threshold=8)


@pytest.fixture(scope="module")
def bare(start_host: HostFactory) -> dict[str, list[bytes]]:
    """What a host without the extension makes."""
    host = start_host(extensions=())
    try:
        assert "todo" not in {script["name"] for script in host.script_info()}
        return {kind: make(host, kind) for kind in REQUESTS}
    finally:
        host.stop()


@pytest.mark.parametrize("kind", REQUESTS)
def test_off_before_and_after_on(host: Host, bare: dict[str, list[bytes]], kind: str) -> None:
    assert make(host, kind) == bare[kind]
    assert make(host, kind, **POOLING.asked()) != bare[kind]
    assert host.probe_leftovers() == CLEAN
    assert make(host, kind) == bare[kind]
    assert make(host, kind, **todo(enabled=False)) == bare[kind]


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 64},
        {"factor": 1, "deep_factor": 1, "threshold": 8},
        {"factor": 2, "threshold": 8, "start": 0.5, "end": 0.5},
        {"factor": 2, "threshold": 8, "passes": "hires"},
    ],
    ids=str,
)
def test_on_with_nothing_to_pool(
    host: Host, bare: dict[str, list[bytes]], settings: dict[str, Any]
) -> None:
    """Bit for bit the image without it; the text in its file tells that it was on, in vain."""
    (made,), (without,) = make(host, "txt2img", **todo(**settings)), bare["txt2img"]
    assert pixels(made) == pixels(without)
    assert used(text_of(host, made)) == {"first": {}}
    assert host.probe_leftovers() == CLEAN


@pytest.mark.parametrize("in_pass", ["first", "hires"])
@pytest.mark.parametrize("where", ["unet", "attention"])
def test_after_an_exception_inside_the_unet(
    host: Host, bare: dict[str, list[bytes]], where: str, in_pass: str
) -> None:
    host.use("tiny15_a")
    call = {"first": 1, "hires": 2}[in_pass]
    host.probe_fault("raise", unet_call=call, where=where, message="on purpose")
    body = host.body(**HIRES, **POOLING.asked())
    response = host.request("POST", "/sdapi/v1/txt2img", json=body)
    assert response.status_code == 500
    assert "on purpose" in response.text
    assert {row["in_pass"] for row in host.probe_counts()["rows"]} <= {"first", in_pass}
    assert host.probe_counts()["unet_calls"] == call
    assert host.probe_leftovers() == CLEAN
    assert make(host, "hires") == bare["hires"]


@pytest.mark.parametrize("in_pass", ["first", "hires"])
@pytest.mark.parametrize("action", ["interrupt", "skip"])
def test_after_an_interrupt_and_a_skip(
    host: Host, bare: dict[str, list[bytes]], action: str, in_pass: str
) -> None:
    host.use("tiny15_a")
    steps = {"steps": 2, "hr_second_pass_steps": 2}
    call = {"first": 1, "hires": 3}[in_pass]
    host.probe_fault(action, unet_call=call)
    answer = host.txt2img(**HIRES | steps, **POOLING.asked())
    # Both end the generation: the host takes a skip back before the next batch, not the next pass.
    assert host.probe_counts()["unet_calls"] == call
    assert "ToDo factor: 2" in infotext(answer)
    assert host.probe_leftovers() == CLEAN
    assert make(host, "hires") == bare["hires"]


def test_on_again_after_an_exception(host: Host) -> None:
    host.use("tiny15_a")
    asked = POOLING.asked()
    before = images(host.txt2img(**SMALL_SQUARE, **asked))
    host.probe_reset()
    host.probe_fault("raise", unet_call=2)
    response = host.request("POST", "/sdapi/v1/txt2img", json=host.body(**SMALL_SQUARE, **asked))
    assert response.status_code == 500
    host.probe_reset()
    assert images(host.txt2img(**SMALL_SQUARE, **asked)) == before
