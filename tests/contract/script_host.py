"""A stand-in WebUI that loads scripts/todo.py as A1111 does: scripts, callbacks and axes."""

from __future__ import annotations

import importlib.util
import inspect
import shutil
import sys
import types
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
    "on_ui_settings",
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
        self.axes: list[Any] = []

    def load(self, *folders: Path) -> list[Any]:
        """Start, or reload the UI; returns the modules of the scripts."""
        self._call("on_script_unloaded")
        self.callbacks.clear()
        self.axes = []
        self.scripts_data[:] = [ScriptClassData(Script, "scripts/xyz_grid.py", "", self._plot())]
        return [self._load_first(folder) for folder in folders]

    def reload_bodies(self) -> list[Any]:
        """What "Reload custom script bodies" does: no unloading, and nothing is cleared."""
        paths = [data.path for data in self.scripts_data[1:]]
        return [self._run(path) for path in paths]

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

    def _call(self, kind: str, *args: Any) -> None:
        for registered, _, function in self.callbacks:
            if registered == kind:
                function(*args)

    def _plot(self) -> Any:
        names = ("re_range", "re_range_count", "re_range_float", "re_range_count_float")
        fields = "label kind apply format_value confirm choices prepare"
        option = namedtuple("AxisOption", fields, defaults=(None, None))
        return types.SimpleNamespace(
            axis_options=self.axes, AxisOption=option, **dict.fromkeys(names)
        )

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


@contextmanager
def script_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptHost]:
    """The stand-in, in place while the `with` lasts; the library that it loads is gone then."""
    host = ScriptHost()
    for part in host.modules():
        monkeypatch.setitem(sys.modules, part.__name__, part)
    drop()
    yield host
    drop()


def drop() -> None:
    """Forget the library as the WebUI names it."""
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[name]


def copy_of_extension(folder: Path) -> Path:
    """Another copy of what a WebUI uses of this repository."""
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("lib_todo", "scripts"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    return folder
