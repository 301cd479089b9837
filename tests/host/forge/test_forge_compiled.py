"""Forge Neo has torch.compile built in: ToDo before, inside and after it.

The graphs run uncompiled (test_extensions/eager_graphs), so that images can be compared bit for
bit, and no test takes minutes for the compiler. The probe is not there: its hooks would be in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from expect import Pooling
from host import TEST_EXTENSIONS, Host, images
from kinds import Kind
from told import report_of, steps

pytestmark = pytest.mark.kinds("neo")
PRESET = "guard_filter_fn"
POOLING = Pooling(factor=2, threshold=8)
# at 256 pixels: SD 1.x has five layers over 32×32 tokens and five over 16×16, SDXL its own below
KEYS = {"tiny15_a": (1024, 256), "tinyxl_a": (256, 64)}


class HostWithGraphs(Host):
    # there is no probe
    tells_all = False

    def _is_up(self) -> bool:
        up = "Startup time:" in self.log()
        return up and requests.get(f"{self.url}/sdapi/v1/options", timeout=60).ok

    def use(self, checkpoint: str) -> None:
        self.set_options(sd_model_checkpoint=checkpoint)

    def preset_off(self) -> tuple[str, str]:
        """The title of the script that compiles, and its word for not compiling."""
        ((title, choices),) = [
            (script["name"], argument["choices"])
            for script in self.get("/sdapi/v1/script-info")
            for argument in script["args"]
            if not script["is_img2img"] and PRESET in (argument["choices"] or ())
        ]
        return title, choices[1]


@dataclass
class Made:
    """An image, the graphs that were made for it (the keys of what each pools), the report."""

    image: bytes
    graphs: list[list[list[int]]]
    report: dict[str, Any]


def make(host: HostWithGraphs, compiled: bool, on: bool) -> Made:
    title, off = host.preset_off()
    scripts: dict[str, Any] = POOLING.asked()["alwayson_scripts"] if on else {}
    scripts = {**scripts, title: {"args": [PRESET if compiled else off]}}
    with host.log_since() as lines:
        answer = host.txt2img(steps=3, alwayson_scripts=scripts)
    graphs = [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith("todo-graphs")]
    return Made(images(answer)[0], graphs, report_of(answer) if on else {})


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
    compiling.use(checkpoint)
    plain = {on: make(compiling, compiled=False, on=on) for on in (False, True)}
    assert plain[False].image != plain[True].image
    assert not plain[False].graphs + plain[True].graphs
    made: set[bool] = set()
    for on in order:
        compiled = make(compiling, compiled=True, on=on)
        assert compiled.image == plain[on].image
        # the first image of each kind makes its graph, later ones find it
        assert bool(compiled.graphs) is (on not in made)
        assert any(KEYS[checkpoint] in map(tuple, graph) for graph in compiled.graphs) is (
            on and on not in made
        )
        if on:
            assert compiled.report["grids"] == plain[on].report["grids"]
            assert steps(compiled.report) == (3, 3)
        made.add(on)
    assert make(compiling, compiled=False, on=True).image == plain[True].image
