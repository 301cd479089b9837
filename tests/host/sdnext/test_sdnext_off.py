"""Off is off: bit for bit the images of a host without the extension, whatever happened before."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import HostFactory
from expect import CLEAN, all_pixels, picture, todo
from sdnext_host import HIRES, SdNextHost

ON = todo(threshold=8)
SQUARE = {"width": 128, "height": 128}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "txt2img": ("tiny15", {}),
    "hires": ("tiny15", HIRES),
    "img2img": ("tiny15", {**SQUARE, "denoising_strength": 0.9}),
    "sdxl": ("tinyxl", {}),
}


def make(host: SdNextHost, kind: str, **more: Any) -> list[bytes]:
    checkpoint, body = REQUESTS[kind]
    host.use(checkpoint)
    if kind == "img2img":
        return all_pixels(host.img2img(picture(128, 128), **body | more))
    return all_pixels(host.txt2img(**body | more))


@pytest.fixture(scope="module")
def bare(start_sdnext: HostFactory) -> dict[str, list[bytes]]:
    """The images of a host without the extension, which stops as soon as they are made."""
    host = start_sdnext(with_todo=False)
    found = {kind: make(host, kind) for kind in REQUESTS}
    host.stop()
    return found


@pytest.mark.parametrize("kind", REQUESTS)
def test_off_on_off(sdnext: SdNextHost, bare: dict[str, list[bytes]], kind: str) -> None:
    assert make(sdnext, kind) == bare[kind]
    on = make(sdnext, kind, **ON)
    assert len(on) == len(bare[kind]) and on != bare[kind]
    assert sdnext.probe_leftovers() == CLEAN
    assert make(sdnext, kind) == bare[kind]


@pytest.mark.parametrize(
    ("action", "exception"),
    [
        ("raise", "RuntimeError"),
        ("raise", "KeyError"),
        ("raise", "AssertionError"),
        ("interrupt", "RuntimeError"),
        ("skip", "RuntimeError"),
    ],
)
@pytest.mark.parametrize("kind", ["txt2img", "hires"])
def test_after_a_generation_that_was_broken_off(
    sdnext: SdNextHost, bare: dict[str, list[bytes]], kind: str, action: str, exception: str
) -> None:
    call = 3 if kind == "txt2img" else 6
    sdnext.probe_fault(action, unet_call=call, where="unet", exception=exception)
    _, body = REQUESTS[kind]
    # with some errors the host answers with the image as far as it got
    sdnext.request("POST", "/sdapi/v1/txt2img", json=sdnext.body(**body, **ON))
    assert call - 1 <= sdnext.probe_counts()["unet_calls"] < (4 if kind == "txt2img" else 8)
    assert sdnext.probe_leftovers() == CLEAN
    assert make(sdnext, kind) == bare[kind]
    assert make(sdnext, kind, **ON) != bare[kind]
