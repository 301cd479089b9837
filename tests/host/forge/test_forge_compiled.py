"""Forge Neo has torch.compile built in: ToDo before, inside and after it.

The graphs run uncompiled (test_extensions/eager_graphs), so that images can be compared bit for
bit, and no test takes minutes for the compiler. The probe is not there: its hooks would be in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from expect import Pooling
from host import TEST_EXTENSIONS, Host, images
from kinds import Kind
from told import pooled, report_of

pytestmark = pytest.mark.kinds("neo")
PRESET = "guard_filter_fn"
# at 256 pixels: SD 1.x has five layers over 32×32 tokens and five over 16×16, SDXL its own below
KEYS = {"tiny15_a": (1024, 256), "tinyxl_a": (256, 64)}


class HostWithGraphs(Host):
    # there is no probe
    tells_all = False

    def _is_up(self) -> bool:
        up = "Startup time:" in self.log()
        return up and requests.get(f"{self.url}/sdapi/v1/options", timeout=60).ok

    def make(self, on: bool, compiled: bool) -> tuple[bytes, int, dict[str, Any]]:
        """An image, how many graphs were made for it, and the report."""
        # the script that compiles, and its word for not compiling
        ((title, off),) = [
            (script["name"], argument["choices"][1])
            for script in self.get("/sdapi/v1/script-info")
            for argument in script["args"]
            if not script["is_img2img"] and PRESET in (argument["choices"] or ())
        ]
        asked = Pooling(factor=2, threshold=8).asked()["alwayson_scripts"] if on else {}
        scripts = {**asked, title: {"args": [PRESET if compiled else off]}}
        with self.log_since() as lines:
            answer = self.txt2img(steps=3, alwayson_scripts=scripts)
        return images(answer)[0], lines.count("todo-graph"), report_of(answer) if on else {}


@pytest.fixture(scope="module")
def compiling(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostWithGraphs]:
    graphs = (TEST_EXTENSIONS / "eager_graphs",)
    with HostWithGraphs(kind, tmp_path_factory.mktemp("host"), test_extensions=graphs) as host:
        yield host


@pytest.mark.parametrize(
    ("checkpoint", "order"),
    [("tiny15_a", (False, True, False, True)), ("tinyxl_a", (True, False, True, False))],
    ids=["compiled before", "compiled inside"],
)
def test_a_compiled_model_is_pooled_whatever_came_first(
    compiling: HostWithGraphs, checkpoint: str, order: tuple[bool, ...]
) -> None:
    compiling.set_options(sd_model_checkpoint=checkpoint)
    plain = {on: compiling.make(on, compiled=False) for on in (False, True)}
    assert plain[False][0] != plain[True][0]
    assert KEYS[checkpoint] in pooled(plain[True][2])
    for place, on in enumerate(order):
        image, graphs, report = compiling.make(on, compiled=True)
        assert image == plain[on][0]
        # the first image of each kind makes its graph, later ones find it
        assert bool(graphs) is (on not in order[:place])
        assert report.get("grids") == plain[on][2].get("grids")
    assert compiling.make(on=True, compiled=False)[0] == plain[True][0]
