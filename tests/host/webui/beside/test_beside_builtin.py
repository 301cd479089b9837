"""The host's own speed-ups on the same layers: token merging and HyperTile.

Both are set on the settings page here: as an `override_settings` of a request the host would not
take them back.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import CLEAN, HIRES, Pass, Pooling, check, first_pixels
from host import Host
from told import pooled, reasons, report_of

POOLING = Pooling(factor=2, threshold=8)
# the defaults of the built-in extension's options
HYPERTILE_OFF = {
    "hypertile_enable_unet": False,
    "hypertile_enable_unet_secondpass": False,
    "hypertile_max_tile_unet": 256,
    "hypertile_swap_size_unet": 3,
    "hypertile_max_depth_unet": 3,
}
Seen = dict[tuple[int, int], set[tuple[int, int]]]


def counts(host: Host, in_pass: str = "first") -> Seen:
    """The queries and keys that each grid was seen with, those of the smallest apart."""
    seen: Seen = {}
    for row in host.probe_counts()["rows"]:
        if row["in_pass"] == in_pass and row["height"] >= 16:
            grid = row["height"], row["width"]
            seen.setdefault(grid, set()).add((row["queries"], row["keys"]))
    return seen


def test_token_merging_keeps_its_layers(host: Host) -> None:
    """It halves the tokens of the largest grid; the deeper ones are pooled as ever."""
    with host.options_set(token_merging_ratio=0.5):
        answer = host.txt2img(steps=1, **POOLING.asked())
        assert counts(host) == {(32, 32): {(512, 512)}, (16, 16): {(256, 64)}}
        assert reasons(report_of(answer)) == {"tokens_merged": 5, "below_threshold": 6}
        # where no other layer is above the threshold, the image is token merging's own
        alone = host.txt2img(steps=1)
        both = host.txt2img(steps=1, **Pooling(factor=2, threshold=16).asked())
        assert first_pixels(both) == first_pixels(alone)
        assert reasons(report_of(both)) == {"tokens_merged": 5, "below_threshold": 11}
    assert host.probe_leftovers() == CLEAN
    host.probe_reset()
    host.txt2img(steps=1, **POOLING.asked())
    check(host, "tiny15", first=Pass(256, 256, 1, POOLING))


def test_token_merging_in_the_hires_pass_alone(host: Host) -> None:
    with host.options_set(token_merging_ratio_hr=0.5):
        host.txt2img(**HIRES, **POOLING.asked())
    assert counts(host) == {(16, 16): {(256, 64)}}
    assert counts(host, "hires") == {(32, 32): {(512, 512)}, (16, 16): {(256, 64)}}
    assert host.probe_leftovers() == CLEAN


@pytest.fixture
def tiled(host: Host) -> Iterator[Host]:
    """A host with a model object of its own: HyperTile leaves its `forward` on it for ever."""
    host.use("tiny15_b")
    # of tiles of 16×16 tokens, always the same way, in the layers of the largest grid
    tiles = {
        "hypertile_max_tile_unet": 128,
        "hypertile_swap_size_unet": 1,
        "hypertile_max_depth_unet": 0,
    }
    with host.options_set(HYPERTILE_OFF, **tiles):
        yield host
    host.use("tiny15_a")
    assert host.probe_leftovers() == CLEAN


def test_hypertile_keeps_its_layers_and_gives_them_back(tiled: Host) -> None:
    pooled_before = first_pixels(tiled.txt2img(steps=1, **POOLING.asked()))
    with tiled.options_set(HYPERTILE_OFF, hypertile_enable_unet=True):
        alone = first_pixels(tiled.txt2img(steps=1))
        left_by_hypertile = tiled.probe_leftovers()
        tiled.probe_reset()
        answer = tiled.txt2img(steps=1, **POOLING.asked())
        assert counts(tiled) == {(32, 32): {(256, 256)}, (16, 16): {(256, 64)}}
        assert reasons(report_of(answer))["hypertile"] == 5
        assert tiled.probe_leftovers() == left_by_hypertile
        answer = tiled.txt2img(steps=1, **Pooling(factor=2, threshold=16).asked())
        assert first_pixels(answer) == alone
        assert (pooled(report_of(answer)), reasons(report_of(answer))["hypertile"]) == ({}, 5)
    # HyperTile is off again and its forward still there: every layer is pooled, with right rows.
    tiled.probe_reset()
    assert first_pixels(tiled.txt2img(steps=1, **POOLING.asked())) == pooled_before
    assert counts(tiled) == {(32, 32): {(1024, 256)}, (16, 16): {(256, 64)}}
    assert tiled.probe_leftovers() == left_by_hypertile


def test_hypertile_in_the_hires_pass_alone(tiled: Host) -> None:
    with tiled.options_set(HYPERTILE_OFF, hypertile_enable_unet_secondpass=True):
        answer = tiled.txt2img(**HIRES, **POOLING.asked())
    assert counts(tiled) == {(16, 16): {(256, 64)}}
    assert counts(tiled, "hires") == {(32, 32): {(256, 256)}, (16, 16): {(256, 64)}}
    found = report_of(answer)["passes"]
    assert "hypertile" not in reasons(found["first"])
    assert reasons(found["hires"])["hypertile"] == 5
