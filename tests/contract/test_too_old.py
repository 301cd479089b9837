"""scripts/todo.py in a host that is too old: one line, an accordion that says why, no exception."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from fastapi import HTTPException
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
    script = found.SwitchedOff()
    (box,) = script.ui(False)
    assert (box.value, box.visible, box.do_not_save_to_config) == (False, False, True)
    head, text = script_host.shown
    assert head == "ToDo (switched off)"
    assert name in text
    assert script.title() == "ToDo", "the name that requests use"


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


def without_input_accordion(script_host: ScriptHost, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delattr(sys.modules["modules.ui_components"], "InputAccordion")
    (module,) = script_host.load(ROOT)
    return module.SwitchedOff()


@pytest.mark.parametrize("args", [[True], [True, 2.0], [{}], [{"preset": "fast"}], ["yes"]])
def test_a_request_for_it_ends_with_the_reason_and_the_version_needed(
    script_host: ScriptHost, monkeypatch: pytest.MonkeyPatch, args: list[Any]
) -> None:
    script, p = without_input_accordion(script_host, monkeypatch), types.SimpleNamespace()
    script.process(p, *args)
    with pytest.raises(HTTPException) as refused:
        p.init(["a cat"], [1], [2])
    assert refused.value.status_code == 422
    assert "InputAccordion" in refused.value.detail
    assert "1.6.0" in refused.value.detail


@pytest.mark.parametrize("args", [[], [False], [False, 2.0], [{"enabled": False}], [None]])
def test_all_other_requests_go_on(
    script_host: ScriptHost, monkeypatch: pytest.MonkeyPatch, args: list[Any]
) -> None:
    script, p = without_input_accordion(script_host, monkeypatch), types.SimpleNamespace()
    script.process(p, *args)
    assert vars(p) == {}
