"""Beside what SD.Next has itself: ToDo, HyperTile and HiDiffusion."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from expect import CLEAN, all_pixels, todo
from host import Host
from told import pooled, reasons, report_of

pytestmark = pytest.mark.kinds("sdnext")
ON = todo(threshold=12, factor=2, deep_factor=1)
POOLED = {(1024, 256): 5}
# by the reason for its layers: the options that switch it on
OWN: dict[str, dict[str, Any]] = {
    "other_reduction": {"token_merging_method": "ToDo", "todo_ratio": 0.5},
    "hypertile": {"hypertile_unet_enabled": True, "hypertile_unet_tile": 64}
    | {"hypertile_unet_min_tile": 64},
}


@pytest.mark.parametrize("reason", OWN)
def test_its_layers_are_left_to_it(host: Host, reason: str) -> None:
    host.use("wide15")
    plain = all_pixels(host.txt2img())
    with host.options_set(**OWN[reason]):
        alone = all_pixels(host.txt2img())
        host.probe_reset()
        both = host.txt2img(**ON)
    assert alone != plain, "it changes nothing here"
    assert all_pixels(both) == alone
    told = report_of(both)
    assert pooled(told) == {}
    assert reason in reasons(told)
    assert all_pixels(host.txt2img()) == plain
    assert pooled(report_of(host.txt2img(**ON))) == POOLED
    assert host.probe_leftovers()["classes"] == CLEAN["classes"]


@pytest.mark.parametrize("checkpoint", ["tiny15", "tinyxl"])
def test_hidiffusion_keeps_its_windows(
    host: Host, monkeypatch: pytest.MonkeyPatch, checkpoint: str
) -> None:
    """The layers that see windows are left to it; the others are pooled, by the grids it makes."""
    # it changes a layer's grid in mid-sampling, so what is told is held against the probe here
    monkeypatch.setattr(host, "tells_all", False)
    host.use(checkpoint)
    plain, alone = (all_pixels(host.txt2img(width=512, hidiffusion=on)) for on in (False, True))
    assert alone != plain, "HiDiffusion changes nothing here"
    # only the windows' level would be pooled
    both = host.txt2img(width=512, hidiffusion=True, **ON)
    assert all_pixels(both) == alone
    assert pooled(report_of(both)) == {}
    assert "other_grid" in reasons(report_of(both))
    host.probe_reset()
    asked = todo(threshold=12, factor=2, deep_factor=2)
    told = report_of(host.txt2img(width=512, hidiffusion=True, **asked))
    seen = {(row["queries"], row["keys"], row["layer"]) for row in host.probe_counts()["rows"]}
    assert pooled(told) == Counter((many, few) for many, few, _ in seen if many != few) != {}
    assert "other_grid" in reasons(told)
    assert all_pixels(host.txt2img(width=512)) == plain
    assert host.probe_leftovers()["classes"] == CLEAN["classes"]
