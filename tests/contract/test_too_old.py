"""scripts/todo.py in a host that is too old: one line, an accordion that says why, no exception."""

from __future__ import annotations

import sys

import pytest
from script_host import REGISTERS, ROOT, SURFACE, Script, ScriptHost

ALL = [(module, name) for module, names in SURFACE.items() for name in names]


def test_a_host_with_all_of_it(script_host: ScriptHost, capsys: pytest.CaptureFixture[str]) -> None:
    (module,) = script_host.load(ROOT)
    assert hasattr(module, "ToDoScript")
    assert script_host.registered() == sorted(REGISTERS)
    assert capsys.readouterr().out == ""


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
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ToDo is switched off, since this WebUI lacks")
    assert name in line
    assert script_host.registered() == []
    classes = [cls for cls in vars(found).values() if isinstance(cls, type)]
    assert [cls for cls in classes if issubclass(cls, Script)] == [found.SwitchedOff]
    assert found.SwitchedOff().ui(False) == []
    head, text = script_host.shown
    assert head == found.SwitchedOff().title() != "ToDo"
    assert name in text


def test_a_host_without_a_module(
    script_host: ScriptHost,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "modules.ui_components", None)
    (module,) = script_host.load(ROOT)
    assert hasattr(module, "SwitchedOff")
    assert "ui_components" in capsys.readouterr().out
    assert script_host.registered() == []
