"""Other ways to start: without the page, and reloaded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import AXES, CLEAN, Pass, Pooling, check, todo
from host import Host, HostFactory, images
from kinds import every_kind
from plot import ours, plot
from told import generations, info, pooled

SQUARE = {"width": 128, "height": 128, "steps": 2}
POOLING = Pooling(factor=2, threshold=8)


@pytest.fixture(scope="module")
def headless(new_host: HostFactory) -> Iterator[Host]:
    with new_host(with_ui=False) as host:
        yield host


def test_without_the_page_axes_options_and_the_hint_are_there(headless: Host) -> None:
    assert ours(headless) == [f"[ToDo] {name}" for name in AXES]
    assert headless.options()["todo_show_line"] is True
    asked = todo(factor=2, deep_factor=1, threshold=8)
    answer = headless.txt2img(**SQUARE, **plot(headless, ("[ToDo] factor", "2, 4")), **asked)
    told = generations(info(answer))
    assert [pooled(cell) for cell in told] == [{(256, 64): 5}, {(256, 16): 5}]
    headless.probe_reset()
    bad = plot(headless, ("[ToDo] factor", "2, nine"))
    assert "factor" in headless.refusal(**headless.body(**SQUARE, **bad))
    size = {"width": 1024, "height": 1024}
    assert "1024×1024" in str(headless.post("/todo/hint", size))


def works_and_is_there_once(host: Host) -> None:
    for is_img2img in (False, True):
        host.script_info("todo", is_img2img)
        assert ours(host, is_img2img) == [f"[ToDo] {name}" for name in AXES]
    host.use("tiny15_a")
    host.txt2img(**SQUARE, **POOLING.asked())
    check(host, "tiny15", first=Pass(128, 128, 2, POOLING))


@every_kind
def test_reloaded_twice_nothing_of_the_former_load_is_left(host: Host) -> None:
    off = images(host.txt2img(**SQUARE))
    on = images(host.txt2img(**SQUARE, **POOLING.asked()))
    for _ in range(2):
        host.reload()
        assert host.probe_leftovers() == CLEAN
        works_and_is_there_once(host)
        assert images(host.txt2img(**SQUARE)) == off
        assert images(host.txt2img(**SQUARE, **POOLING.asked())) == on
