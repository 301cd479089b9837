"""Other ways to start: without the page, with copies of the folder, an update, a host too old."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from expect import AXES, CLEAN, Pass, Pooling, check, infotext, todo
from host import REPOSITORY, Host, HostFactory, images
from kinds import A1111, every_kind
from plot import ours, plot
from told import generations, info, pooled

SQUARE = {"width": 128, "height": 128, "steps": 2}
POOLING = Pooling(factor=2, threshold=8)
SWITCHED_OFF = "is switched off"
PARTS = ("lib_todo", "scripts", "javascript", "install.py", "metadata.ini")
NEEDED = "InputAccordion"


def is_too_old() -> bool:
    """A WebUI before 1.6 lacks what ToDo needs."""
    file = Path("modules", "ui_components.py")
    return A1111.why_not() is None and NEEDED not in (A1111.folder() / file).read_text("utf-8")


too_old = pytest.mark.skipif(not is_too_old(), reason="this WebUI has all that ToDo needs")
new_enough = pytest.mark.skipif(is_too_old(), reason="this WebUI is too old")


@pytest.fixture(scope="module")
def headless(new_host: HostFactory) -> Iterator[Host]:
    with new_host(with_ui=False) as host:
        yield host


@new_enough
def test_without_the_page_axes_and_options_are_there(headless: Host) -> None:
    assert ours(headless) == [f"[ToDo] {name}" for name in AXES]
    assert headless.options()["todo_show_line"] is True
    asked = todo(factor=2, deep_factor=1, threshold=8)
    answer = headless.txt2img(**SQUARE, **plot(headless, ("[ToDo] factor", "2, 4")), **asked)
    told = generations(info(answer))
    assert [pooled(cell) for cell in told] == [{(256, 64): 5}, {(256, 16): 5}]
    headless.probe_reset()
    bad = plot(headless, ("[ToDo] factor", "2, nine"))
    assert "factor" in headless.refusal(**headless.body(**SQUARE, **bad))
    forged = infotext(answer).replace("ToDo threshold: 8", "ToDo threshold: 999")
    assert "ToDo threshold = '999'" in headless.refusal(**headless.body_of_text(forged))


@new_enough
def test_the_hint_answers_while_an_image_is_made(headless: Host) -> None:
    """And changes nothing of it."""
    body = SQUARE | {"width": 256, "height": 256, "steps": 30}
    alone = headless.txt2img(**body)["images"]
    headless.probe_reset()
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(headless.txt2img, **body)
        while headless.probe_counts()["unet_calls"] < 2:
            time.sleep(0.05)
        size = {"width": 1024, "height": 1024}
        answers = [headless.post("/todo/hint", size) for _ in range(5)]
        assert not making.done()
        assert all(answer == answers[0] for answer in answers)
        assert making.result()["images"] == alone
    bad = headless.request("POST", "/todo/hint", json={"width": 0, "height": "high"})
    assert bad.status_code == 422


def copy_of_extension(folder: Path) -> Path:
    """Put what a WebUI uses of this repository into a folder; returns it."""
    for name in PARTS:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def works_and_is_there_once(host: Host) -> None:
    for is_img2img in (False, True):
        host.script_info("todo", is_img2img)
        assert ours(host, is_img2img) == [f"[ToDo] {name}" for name in AXES]
    host.use("tiny15_a")
    host.txt2img(**SQUARE, **POOLING.asked())
    check(host, "tiny15", first=Pass(128, 128, 2, POOLING))
    assert host.probe_leftovers() == CLEAN


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


@new_enough
def test_the_second_copy_stands_down_until_the_first_is_removed(
    new_host: HostFactory, tmp_path: Path
) -> None:
    backup = copy_of_extension(tmp_path / "sd-webui-todo-backup")
    with new_host(extensions=(REPOSITORY, backup)) as host:
        first = host.data / "extensions" / "sd-webui-todo"
        for loads in (1, 2):
            told = [line for line in host.log().splitlines() if SWITCHED_OFF in line]
            assert len(told) == loads
            assert str(first) in told[-1] and str(backup) in told[-1]
            assert "Error loading script" not in host.log()
            works_and_is_there_once(host)
            if loads == 1:
                host.reload()
        off = images(host.txt2img(**SQUARE))
        first.unlink()
        with host.log_since() as lines:
            host.reload()
        assert not [line for line in lines if SWITCHED_OFF in line]
        works_and_is_there_once(host)
        assert images(host.txt2img(**SQUARE)) == off


@too_old
def test_a_host_too_old_says_so_in_one_line_and_makes_its_own_images(
    new_host: HostFactory,
) -> None:
    with new_host() as host:
        (line,) = [line for line in host.log().splitlines() if "ToDo" in line]
        assert NEEDED in line and "1.6.0" in line
        for args in ([True], [{}], [{"factor": "x"}]):
            asked = host.body(alwayson_scripts={"ToDo": {"args": args}})
            assert host.request("POST", "/sdapi/v1/txt2img", json=asked).status_code == 422
        assert images(host.txt2img()) == images(host.txt2img())
