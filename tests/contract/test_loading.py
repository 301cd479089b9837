"""How the WebUI's script loads the library: copies, an update, a reload, and why it cannot."""

from __future__ import annotations

import importlib.util
import inspect
import shutil
import sys
import types
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# the library's name in a WebUI
NAME = "sd_webui_todo"
REGISTERS = (
    "on_app_started",
    "on_before_ui",
    "on_cfg_denoiser",
    "on_script_unloaded",
)
# what the extension takes from a host by name, and from where
SURFACE = {
    "modules.script_callbacks": (*REGISTERS, "remove_current_script_callbacks"),
    "modules.ui_components": ("FormHTML", "InputAccordion"),
}
ScriptClassData = namedtuple("ScriptClassData", "script_class path basedir module")


class Script:
    pass


class ScriptHost:
    """Loads the scripts of extensions, in the order given; yields what they left."""

    def __init__(self) -> None:
        self.scripts_data: list[Any] = []
        self.callbacks: list[tuple[str, str, Callable]] = []
        self.shown: list[str] = []

    def load(self, *folders: Path) -> list[Any]:
        """Start, or reload the UI; returns the modules of the scripts."""
        for kind, _, function in self.callbacks:
            if kind == "on_script_unloaded":
                function()
        self.callbacks.clear()
        self.scripts_data.clear()
        return [self._load_first(folder) for folder in folders]

    def reload_bodies(self) -> list[Any]:
        """What "Reload custom script bodies" does: no unloading, and nothing is cleared."""
        return [self._run(data.path) for data in self.scripts_data]

    def registered(self) -> list[str]:
        return sorted(kind for kind, _, _ in self.callbacks)

    def _load_first(self, folder: Path) -> Any:
        path, before = str(folder / "scripts" / "todo.py"), sys.path
        sys.path = [str(folder), *sys.path]
        try:
            module = self._run(path)
        finally:
            sys.path = before
        for cls in vars(module).values():
            if inspect.isclass(cls) and issubclass(cls, Script):
                self.scripts_data.append(ScriptClassData(cls, path, str(folder), module))
        return module

    def _run(self, path: str) -> Any:
        spec: Any = importlib.util.spec_from_file_location("todo.py", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def modules(self) -> Iterator[types.ModuleType]:
        """What the scripts find in place of the host's."""
        scripts, callbacks = (
            types.ModuleType(f"modules.{name}") for name in ("scripts", "script_callbacks")
        )
        scripts.Script, scripts.AlwaysVisible = Script, object()
        scripts.scripts_data = self.scripts_data
        for kind in REGISTERS:
            setattr(callbacks, kind, self._register(kind))
        callbacks.remove_current_script_callbacks = self._remove
        gradio, modules = types.ModuleType("gradio"), types.ModuleType("modules")
        gradio.Accordion = lambda label, open: nullcontext(self.shown.append(label))
        gradio.HTML = self.shown.append
        modules.scripts, modules.shared = scripts, types.ModuleType("modules.shared")
        modules.shared.opts = types.SimpleNamespace(add_option=lambda name, info: None)
        modules.shared.OptionInfo = lambda *args, **kwargs: types.SimpleNamespace()
        yield from (gradio, modules, scripts, callbacks, modules.shared)
        components = types.ModuleType("modules.ui_components")
        vars(components).update(dict.fromkeys(SURFACE[components.__name__], object()))
        yield components

    def _register(self, kind: str) -> Callable[[Callable], None]:
        def register(function: Callable) -> None:
            self.callbacks.append((kind, sys._getframe(1).f_code.co_filename, function))

        return register

    def _remove(self) -> None:
        caller = sys._getframe(1).f_code.co_filename
        self.callbacks[:] = [entry for entry in self.callbacks if entry[1] != caller]


@pytest.fixture
def script_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptHost]:
    """A host that loads scripts, and no library yet under the name that it has there."""
    pytest.importorskip("fastapi")
    host = ScriptHost()
    for part in host.modules():
        monkeypatch.setitem(sys.modules, part.__name__, part)
    _forget_the_library()
    yield host
    _forget_the_library()


def _forget_the_library() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[name]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Another copy of what a WebUI uses of this repository."""
    folder = tmp_path / "sd-webui-todo-backup"
    for part in ("lib_todo", "scripts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    return folder


ALL = [(module, name) for module, names in SURFACE.items() for name in names]


def works(module: Any) -> bool:
    return hasattr(module, "ToDoScript")


def library(module: Any) -> Path:
    """The folder of the library that a script calls."""
    return Path(module.generation.__file__).parents[3]


def change(folder: Path, source: str, file: str = "settings.py") -> None:
    with (folder / "lib_todo" / file).open("a") as text:
        text.write(source)


def assert_connected_once(host: ScriptHost) -> None:
    assert host.registered() == sorted(REGISTERS)


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
    assert_connected_once(script_host)
    (line,) = capsys.readouterr().out.splitlines()
    assert all(str(folder) in line for folder in folders)
    off = second.SwitchedOff()
    assert (off.title(), off.ui(True)) == ("ToDo (switched off)", [])
    assert str(folders[0]) in script_host.shown[-1]
    first, second = script_host.reload_bodies()
    assert (works(first), works(second)) == (True, False)
    (left,) = script_host.load(folders[1])
    assert library(left) == folders[1]
    assert_connected_once(script_host)


def test_a_broken_copy_and_another_extension_of_that_name_do_not_hinder(
    script_host: ScriptHost, copy: Path, tmp_path: Path
) -> None:
    (copy / "lib_todo" / "plan.py").unlink()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "todo.py").write_text(
        "from modules import scripts\nclass ToDoScript(scripts.Script): pass\n"
    )
    broken, _, whole = script_host.load(copy, tmp_path, ROOT)
    assert (works(broken), works(whole)) == (False, True)
    assert library(whole) == ROOT


def test_a_library_of_another_origin_is_neither_used_nor_dropped(
    script_host: ScriptHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As lib_todo it may come from pip; under our name, from a folder that is gone."""
    others = types.ModuleType("lib_todo")
    monkeypatch.setitem(sys.modules, "lib_todo", others)
    for name in (NAME, f"{NAME}.settings"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    (module,) = script_host.load(ROOT)
    assert library(module) == ROOT
    assert sys.modules["lib_todo"] is others


def test_a_reload_takes_up_an_update_whole(script_host: ScriptHost, copy: Path) -> None:
    (before,) = script_host.load(copy)
    change(copy, "\nUPDATED = True\n")
    (after,) = script_host.load(copy)
    loaded = {name: module for name, module in sys.modules.items() if name.startswith(NAME)}
    assert loaded[f"{NAME}.settings"].UPDATED
    assert after.generation is loaded[f"{NAME}.hosts.webui.generation"] is not before.generation
    assert_connected_once(script_host)


def test_bodies_reloaded_alone_go_on_with_what_is_loaded(
    script_host: ScriptHost, copy: Path
) -> None:
    """The host keeps the script's objects, whose library the callbacks must go on serving."""
    (before,) = script_host.load(copy)
    change(copy, "\nUPDATED = True\n")
    for _ in range(2):
        (after,) = script_host.reload_bodies()
        assert after.generation is before.generation
        assert_connected_once(script_host)


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
    (module,) = script_host.load(ROOT)
    assert works(module)


def test_any_other_error_is_told_with_its_trace(
    script_host: ScriptHost, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(copy, "\n1 / 0\n", "plan.py")
    (module,) = script_host.load(copy)
    assert not works(module)
    told = capsys.readouterr()
    assert "division by zero" in told.out
    assert "plan.py" in told.err


@pytest.mark.parametrize(("module", "name"), ALL)
def test_a_host_without_a_name(
    script_host: ScriptHost,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    name: str,
) -> None:
    monkeypatch.delattr(sys.modules[module], name)
    (found,) = script_host.load(ROOT)
    told = capsys.readouterr().out
    assert name in told
    assert script_host.registered() == []
    classes = [cls for cls in vars(found).values() if isinstance(cls, type)]
    assert [cls for cls in classes if issubclass(cls, Script)] == [found.SwitchedOff]
    if module == "modules.ui_components":
        assert "1.6.0" in told
