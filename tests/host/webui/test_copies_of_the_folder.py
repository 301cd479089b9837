"""Two copies of the extension's folder, and an update of it while the host runs."""

from __future__ import annotations

from pathlib import Path

from copies import copy_of_extension
from expect import CLEAN, Pass, Pooling, check
from host import REPOSITORY, Host, HostFactory, images
from requests_shared import axis_labels, reload

SQUARE = {"width": 128, "height": 128, "steps": 2}
POOLING = Pooling(factor=2, threshold=8)
SWITCHED_OFF = "is switched off"
# an update that calls in the script what the library had not had before
LIBRARY_ADDED = "\n\ndef version_of_the_update() -> str:\n    return 'the updated library'\n"
SCRIPT_ADDED = "\nif 'ToDoScript' in globals():\n    print(generation.version_of_the_update())\n"


def it_pools(host: Host) -> None:
    host.probe_reset()
    host.txt2img(**SQUARE, **POOLING.asked())
    check(host, "tiny15", first=Pass(128, 128, 2, POOLING))
    assert host.probe_leftovers() == CLEAN


def is_there_once(host: Host) -> None:
    names = [script["name"] for script in host.script_info()]
    assert names.count("todo") == 2, "in txt2img and in img2img"
    labels = [label for label in axis_labels(host) if "ToDo" in label]
    assert len(labels) == len(set(labels)) > 0


def test_the_second_copy_stands_down_until_the_first_is_removed(
    start_host: HostFactory, tmp_path: Path
) -> None:
    backup = copy_of_extension(tmp_path / "sd-webui-todo-backup")
    host = start_host(extensions=(REPOSITORY, backup), with_ui=True)
    host.use("tiny15_a")
    first, second = (host.data / "extensions" / n for n in ("sd-webui-todo", backup.name))
    for loads in (1, 2):
        told = [line for line in host.log().splitlines() if SWITCHED_OFF in line]
        assert len(told) == loads
        assert str(first) in told[-1] and str(second) in told[-1]
        assert "Error loading script" not in host.log()
        is_there_once(host)
        it_pools(host)
        if loads == 1:
            reload(host)

    off = images(host.txt2img(**SQUARE))
    first.unlink()
    with host.log_since() as lines:
        reload(host)
    assert not [line for line in lines if SWITCHED_OFF in line]
    is_there_once(host)
    it_pools(host)
    assert images(host.txt2img(**SQUARE)) == off
    host.stop()


def test_an_update_is_taken_up_by_a_reload(start_host: HostFactory, tmp_path: Path) -> None:
    folder = copy_of_extension(tmp_path / "todo-of-a-user")
    host = start_host(extensions=(folder,), with_ui=True)
    host.use("tiny15_a")
    it_pools(host)
    for part, added in (
        ("lib_todo/hosts/webui/generation.py", LIBRARY_ADDED),
        ("scripts/todo.py", SCRIPT_ADDED),
    ):
        with (folder / part).open("a") as file:
            file.write(added)
    for _ in range(2):
        with host.log_since() as lines:
            reload(host)
        assert "the updated library" in lines
        assert not [line for line in lines if SWITCHED_OFF in line or "Error" in line]
        is_there_once(host)
        it_pools(host)
    host.stop()


def test_a_folder_that_cannot_work_says_why_and_hinders_nothing(
    start_host: HostFactory, tmp_path: Path
) -> None:
    folder = copy_of_extension(tmp_path / "todo-half")
    (folder / "lib_todo" / "hosts" / "webui" / "result.py").unlink()
    host = start_host(extensions=(folder,))
    (told,) = [line for line in host.log().splitlines() if SWITCHED_OFF in line]
    assert "result" in told and "1.6.0" not in told
    assert len(images(host.txt2img(**SQUARE))) == 1
    answer = host.request("POST", "/sdapi/v1/txt2img", json=host.body(**SQUARE, **POOLING.asked()))
    assert answer.status_code == 422, "asked for, and not there"
    host.stop()
