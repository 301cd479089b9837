"""scripts/todo.py in a host that lacks something: one line, a dead accordion, nothing raised."""

from __future__ import annotations

import runpy
import sys
import types
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from stand_in import modules_for_the_host

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "todo.py"

# what the extension takes from a host by name, and from where
SURFACE = {
    "modules.script_callbacks": (
        "on_app_started",
        "on_before_ui",
        "on_cfg_denoiser",
        "on_script_unloaded",
        "on_ui_settings",
    ),
    "modules.infotext_utils": ("PasteField",),
    "modules.ui_components": ("InputAccordion",),
}
ALL = [(module, name) for module, names in SURFACE.items() for name in names]


class Script:
    pass


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A stand-in of the host with all the names; what is registered there comes back."""
    calls: list[Any] = []
    scripts = types.ModuleType("modules.scripts")
    scripts.Script, scripts.AlwaysVisible, scripts.scripts_data = Script, object(), []
    gradio, shown = types.ModuleType("gradio"), []
    gradio.Accordion = lambda label, open: nullcontext(shown.append(label))
    gradio.HTML = shown.append
    gradio.shown = shown
    modules = types.ModuleType("modules")
    modules.scripts, modules.shared = scripts, types.ModuleType("modules.shared")
    modules.shared.opts = types.SimpleNamespace(add_option=lambda name, info: None)
    modules.shared.OptionInfo = lambda *args, **kwargs: None
    parts = {"modules": modules, "modules.scripts": scripts, "gradio": gradio}
    for module, names in SURFACE.items():
        parts[module] = types.ModuleType(module)
        for name in names:
            setattr(parts[module], name, calls.append)
    for name, part in parts.items():
        monkeypatch.setitem(sys.modules, name, part)
    for name in modules_for_the_host():
        monkeypatch.delitem(sys.modules, name)
    yield calls
    # what was imported here knows the stand-in
    for name in modules_for_the_host():
        del sys.modules[name]


def run() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_a_host_with_all_of_it(registered: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fastapi")
    assert "ToDoScript" in run()
    assert len(registered) == len(SURFACE["modules.script_callbacks"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("module", "name"), ALL)
def test_a_host_without_a_name(
    registered: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    name: str,
) -> None:
    monkeypatch.delattr(sys.modules[module], name)
    found = run()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ToDo is switched off, since this WebUI lacks")
    assert name in line
    assert registered == []
    assert [cls for cls in found.values() if isinstance(cls, type) and issubclass(cls, Script)] == [
        found["SwitchedOff"]
    ]
    assert found["SwitchedOff"]().ui(False) == []
    assert sys.modules["gradio"].shown == ["ToDo (switched off)", line]


def test_a_host_without_a_module(
    registered: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "modules.infotext_utils", None)
    assert "SwitchedOff" in run()
    assert "infotext_utils" in capsys.readouterr().out
    assert registered == []
