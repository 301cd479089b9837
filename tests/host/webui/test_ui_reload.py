"""A UI reload, as by the button on the settings page: scripts are loaded anew, models are not.

A reload in mid-generation is in test_faults.py, one by the button itself in test_browser.py.
"""

from __future__ import annotations

from expect import CLEAN, Pass, Pooling, check
from host import Host, images
from requests_shared import AXES, axis_labels, reload

SQUARE = {"width": 128, "height": 128, "steps": 2}
POOLING = Pooling(factor=2, threshold=8)


def test_reloaded_twice(ui_host: Host) -> None:
    """It works as before, nothing of the former load is left, axes and script are there once."""
    ui_host.use("tiny15_a")
    off = images(ui_host.txt2img(**SQUARE))
    on = images(ui_host.txt2img(**SQUARE, **POOLING.asked()))
    for _ in range(2):
        reload(ui_host)
        assert ui_host.probe_leftovers() == CLEAN
        assert [script["name"] for script in ui_host.script_info()].count("todo") == 2
        labels = [label for label in axis_labels(ui_host) if "ToDo" in label]
        assert labels == [f"[ToDo] {name}" for name in AXES]

        assert images(ui_host.txt2img(**SQUARE)) == off
        ui_host.probe_reset()
        assert images(ui_host.txt2img(**SQUARE, **POOLING.asked())) == on
        check(ui_host, "tiny15", first=Pass(128, 128, 2, POOLING))
