"""The host's own speed-ups on the same layers: token merging and HyperTile.

Both are set on the settings page here: as an `override_settings` of a request the host would not
take them back.
"""

from __future__ import annotations

from typing import Any

import pytest
from expect import CLEAN, HIRES, Pooling, first_pixels, keys_seen
from host import Host
from told import pooled, reasons, report_of

POOLING = Pooling(factor=2, threshold=8)


def tiles(unet: bool, secondpass: bool, *shape: int) -> dict[str, Any]:
    """The options of the built-in extension."""
    names = ("enable_unet", "enable_unet_secondpass")
    names += ("max_tile_unet", "swap_size_unet", "max_depth_unet")
    return {f"hypertile_{name}": value for name, value in zip(names, (unet, secondpass, *shape))}


# of 16×16 tokens, always the same way, in the layers of the largest grid
TILES = (128, 1, 0)
# by reason, token merging's first: off, on, on in the hires pass; queries and keys then
OWN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "other_grid": (
        *({}, {"token_merging_ratio": 0.5}, {"token_merging_ratio_hr": 0.5}),
        (512, 512),
    ),
    "hypertile": (
        *(tiles(False, False, 256, 3, 3), tiles(True, False, *TILES), tiles(False, True, *TILES)),
        (256, 256),
    ),
}


@pytest.mark.parametrize("reason", OWN)
def test_its_layers_are_left_to_it_and_given_back(host: Host, reason: str) -> None:
    off, on, on_in_hires, its_own = OWN[reason]
    # a model object apart: HyperTile leaves its `forward` on it for ever
    host.use("tiny15_b")
    pooled_before = first_pixels(host.txt2img(steps=1, **POOLING.asked()))
    with host.options_set(off, **on):
        alone = first_pixels(host.txt2img(steps=1))
        left = host.probe_leftovers()
        host.probe_reset()
        answer = host.txt2img(steps=1, **POOLING.asked())
        assert (keys_seen(host)[32], keys_seen(host)[16]) == ({its_own}, {(256, 64)})
        assert reasons(report_of(answer))[reason] == 5
        # where no other layer is above the threshold, the image is its own
        answer = host.txt2img(steps=1, **Pooling(factor=2, threshold=16).asked())
        assert first_pixels(answer) == alone
        assert (pooled(report_of(answer)), reasons(report_of(answer))[reason]) == ({}, 5)
        assert host.probe_leftovers() == left
    host.probe_reset()
    assert first_pixels(host.txt2img(steps=1, **POOLING.asked())) == pooled_before
    assert (keys_seen(host)[32], keys_seen(host)[16]) == ({(1024, 256)}, {(256, 64)})
    host.probe_reset()
    with host.options_set(off, **on_in_hires):
        found = report_of(host.txt2img(**HIRES, **POOLING.asked()))["passes"]
    assert keys_seen(host)[16] == {(256, 64)}
    assert keys_seen(host, "hires")[32] == {its_own}
    assert reason not in reasons(found["first"])
    assert reasons(found["hires"])[reason] == 5
    host.use("tiny15_a")
    assert host.probe_leftovers() == CLEAN
