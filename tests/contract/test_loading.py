"""How the WebUI's script loads the library: two copies, an update, a reload, missing packages."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException
from script_host import NAME, REGISTERS, ROOT, ScriptHost, copy_of_extension


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copy_of_extension(tmp_path / "sd-webui-todo-backup")


def works(module: Any) -> bool:
    return hasattr(module, "ToDoScript")


def library(module: Any) -> Path:
    """The folder of the library that a script calls."""
    return Path(module.lifecycle.__file__).parents[3]


def ours(host: ScriptHost) -> list[str]:
    return [axis.label for axis in host.axes if axis.label.startswith("[ToDo] ")]


def change(folder: Path, file: str = "settings.py") -> None:
    """An update: the library there gets a mark to know it by."""
    with (folder / "lib_todo" / file).open("a") as source:
        source.write("\nUPDATED = True\n")


@pytest.mark.parametrize("first_is_the_copy", [False, True])
def test_of_two_copies_the_first_works_and_the_second_says_why_not(
    script_host: ScriptHost,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    first_is_the_copy: bool,
) -> None:
    folders = (copy, ROOT) if first_is_the_copy else (ROOT, copy)
    first, second = script_host.load(*folders)
    assert (works(first), works(second)) == (True, False)
    assert library(first) == folders[0]
    assert script_host.registered() == sorted(REGISTERS)
    (line,) = capsys.readouterr().out.splitlines()
    assert all(str(folder) in line for folder in folders)
    second.SwitchedOff().ui(True)
    assert str(folders[0]) in script_host.shown[-1]


def test_the_second_copy_takes_over_when_the_first_is_gone(
    script_host: ScriptHost, copy: Path
) -> None:
    script_host.load(ROOT, copy)
    (second,) = script_host.load(copy)
    assert library(second) == copy
    assert script_host.registered() == sorted(REGISTERS)


def test_a_copy_that_is_switched_off_does_not_hinder_the_other(
    script_host: ScriptHost, copy: Path
) -> None:
    (copy / "lib_todo" / "plan.py").unlink()
    broken, whole = script_host.load(copy, ROOT)
    assert (works(broken), works(whole)) == (False, True)
    assert broken.SwitchedOff().title() != whole.ToDoScript().title() == "ToDo"
    assert library(whole) == ROOT


def test_another_extension_of_that_name_is_no_copy(script_host: ScriptHost, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "todo.py").write_text(
        "from modules import scripts\nclass ToDoScript(scripts.Script): pass\n"
    )
    _, module = script_host.load(tmp_path, ROOT)
    assert works(module)


def test_libraries_of_other_origins_are_neither_used_nor_dropped(
    script_host: ScriptHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version of the extension, and pip, both have it as lib_todo."""
    older = types.ModuleType("lib_todo")
    monkeypatch.setitem(sys.modules, "lib_todo", older)
    (module,) = script_host.load(ROOT)
    assert works(module)
    assert library(module) == ROOT
    assert sys.modules["lib_todo"] is older


@pytest.mark.parametrize("older_first", [True, False])
def test_beside_an_older_version_that_looks_for_no_copy(
    script_host: ScriptHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    older_first: bool,
) -> None:
    """It imports the library by its plain name, and works in whichever order they load."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "lib_todo").mkdir()
    (tmp_path / "lib_todo" / "__init__.py").write_text("")
    (tmp_path / "scripts" / "todo.py").write_text(
        "import lib_todo\nfrom modules import scripts\nclass ToDoScript(scripts.Script): pass\n"
    )
    monkeypatch.setitem(sys.modules, "lib_todo", None)
    del sys.modules["lib_todo"]
    order = (tmp_path, ROOT) if older_first else (ROOT, tmp_path)
    modules = dict(zip(order, script_host.load(*order)))
    assert Path(modules[tmp_path].lib_todo.__file__).parents[1] == tmp_path
    ours = modules[ROOT]
    if older_first:
        ours.SwitchedOff().ui(True)
    else:
        assert library(ours) == ROOT
        script, p = ours.ToDoScript(), types.SimpleNamespace()
        assert script.title() == "ToDo (switched off)", "a request for ToDo goes to the other"
        (box,) = script.ui(True)
        script.process(p, box.value)
        assert vars(p) == {}
        script.process(p, True)
        with pytest.raises(HTTPException):
            p.init()
        script_host.start_app()
    for told in (script_host.shown[-1], capsys.readouterr().out):
        assert all(str(folder) in told for folder in order)


def test_an_older_library_under_its_own_name_is_replaced(
    script_host: ScriptHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (NAME, f"{NAME}.settings", f"{NAME}.hosts"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    (module,) = script_host.load(ROOT)
    assert library(module) == ROOT


def test_reload_of_an_unchanged_folder_keeps_the_library(script_host: ScriptHost) -> None:
    (before,) = script_host.load(ROOT)
    for _ in range(2):
        (after,) = script_host.load(ROOT)
        assert after.lifecycle is before.lifecycle
        assert script_host.registered() == sorted(REGISTERS)
        assert len(ours(script_host)) == len(set(ours(script_host))) > 0


def test_reload_after_an_update_has_the_new_library_whole(
    script_host: ScriptHost, copy: Path
) -> None:
    (before,) = script_host.load(copy)
    change(copy)
    (after,) = script_host.load(copy)
    assert works(after)
    loaded = {name: module for name, module in sys.modules.items() if name.startswith(NAME)}
    assert loaded[f"{NAME}.settings"].UPDATED
    assert after.lifecycle is loaded[f"{NAME}.hosts.webui.lifecycle"] is not before.lifecycle
    assert len(ours(script_host)) == len(set(ours(script_host)))


def test_an_older_report_is_still_read_after_an_update(script_host: ScriptHost, copy: Path) -> None:
    (before,) = script_host.load(copy)
    report = before.lifecycle.token_downsampling(before.lifecycle.Settings()).report
    change(copy)
    script_host.load(copy)
    assert isinstance(report.line(), str)


def test_bodies_reloaded_alone_go_on_with_what_is_loaded(script_host: ScriptHost) -> None:
    (before,) = script_host.load(ROOT)
    for _ in range(2):
        (after,) = script_host.reload_bodies()
        assert after.lifecycle is before.lifecycle
        assert script_host.registered() == sorted(REGISTERS)
        assert len(ours(script_host)) == len(set(ours(script_host)))


def test_bodies_reloaded_alone_after_an_update_change_nothing(
    script_host: ScriptHost, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host keeps the script's objects, whose library the callbacks must go on serving."""
    (before,) = script_host.load(copy)
    change(copy)
    (after,) = script_host.reload_bodies()
    assert not works(after)
    assert "files have changed" in capsys.readouterr().out
    assert script_host.registered() == sorted(REGISTERS)
    assert sys.modules[before.lifecycle.__name__] is before.lifecycle
    (later,) = script_host.load(copy)
    assert works(later)
    assert later.lifecycle is not before.lifecycle


def test_bodies_of_two_copies(script_host: ScriptHost, copy: Path) -> None:
    script_host.load(ROOT, copy)
    first, second = script_host.reload_bodies()
    assert (works(first), works(second)) == (True, False)


def test_a_missing_package_is_named_and_found_after_its_installation(
    script_host: ScriptHost,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "einops", None)
        (module,) = script_host.load(ROOT)
    assert not works(module)
    (line,) = capsys.readouterr().out.splitlines()
    assert f'"{sys.executable}" -m pip install einops' in line
    assert "WebUI lacks" not in line
    assert [name for name in sys.modules if name.split(".")[0] == NAME] == []
    (module,) = script_host.load(ROOT)
    assert works(module)


def test_a_package_that_cannot_be_used_is_not_called_missing(
    script_host: ScriptHost,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "einops", types.ModuleType("einops"))
    script_host.load(ROOT)
    (line,) = capsys.readouterr().out.splitlines()
    assert "einops cannot be used" in line
    assert "rearrange" in line


def test_a_folder_that_was_updated_by_half(
    script_host: ScriptHost, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "lib_todo" / "hosts" / "webui" / "lifecycle.py").unlink()
    (module,) = script_host.load(copy)
    assert not works(module)
    (line,) = capsys.readouterr().out.splitlines()
    assert "are from different versions" in line
    assert str(copy) in line


def test_any_other_error_is_told_with_its_trace(
    script_host: ScriptHost, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (copy / "lib_todo" / "plan.py").open("a") as source:
        source.write("\n1 / 0\n")
    (module,) = script_host.load(copy)
    assert not works(module)
    told = capsys.readouterr()
    assert "ZeroDivisionError" in told.out
    assert "plan.py" in told.err
    script_host.shown.clear()
    module.SwitchedOff().ui(False)
    assert "ZeroDivisionError" in script_host.shown[-1]
