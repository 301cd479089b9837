"""The page: a text that cannot be used, also sent to the API, and the button that measures."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any
from unittest.mock import Mock

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("gradio", exc_type=ImportError)
BAD = {"ToDo factor": "99"}


@pytest.fixture
def paste(host: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    components = types.SimpleNamespace(FormHTML=None, InputAccordion=None)
    monkeypatch.setitem(sys.modules, "modules.ui_components", components)
    from lib_todo.hosts.webui import page

    monkeypatch.setattr(page, "told", [], raising=False)
    monkeypatch.setattr(page.gr, "Warning", page.told.append, raising=False)
    return page


@pytest.fixture(params=[False, True], ids=["SD.Next", "since 1.8"])
def in_api(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the host's API takes such a text, too."""
    names = {"PasteField": object} if request.param else {}
    monkeypatch.setitem(sys.modules, "modules.infotext_utils", types.SimpleNamespace(**names))
    return bool(request.param)


def test_a_bad_text_leaves_the_controls_and_is_told_once(paste: Any, in_api: bool) -> None:
    box, other = paste.PasteKey("ToDo enabled"), paste.PasteKey("ToDo factor")
    if in_api:
        with pytest.raises(paste.host.SettingsRefused) as refused:
            box(BAD)
        assert (refused.value.status_code, "99" in refused.value.detail) == (422, True)
    else:
        assert box(BAD) is None
    assert other(BAD) is None
    (told,) = paste.told
    assert "ToDo factor" in told
    assert "99" in told


def test_a_good_text_fills_the_controls(paste: Any) -> None:
    names = ("ToDo enabled", "ToDo factor", "ToDo preset", "ToDo unheard of")
    made_with, made_without = {"ToDo factor": "3"}, {"Steps": "20"}
    assert [paste.PasteKey(name)(made_with) for name in names] == [True, "3", "custom", None]
    assert [paste.PasteKey(name)(made_without) for name in names] == [False, None, None, None]
    assert paste.told == []


def test_the_button_waits_for_no_picture(
    paste: Any, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_todo.cost import rates

    found = rates.Rates(3e11, {"40": 1e11, "64": 2e11}, 1e10, 1e-5, 2, "2026-11-30")
    monkeypatch.setattr(rates, "measure", Mock(return_value=found))
    queue = types.SimpleNamespace(queue_lock=threading.Lock())
    monkeypatch.setitem(sys.modules, "modules.call_queue", queue)
    with queue.queue_lock:
        paste._measure()
    assert (len(paste.told), rates.measure.call_count) == (1, 0)
    assert "again (last on 2026-11-30)" in paste._measure()["value"]
    here = paste.host.machine()
    # a CPU computes in single precision, whatever the host says
    assert (", float32, " in here.key, here.rates(), len(paste.told)) == (True, found, 1)
    assert here.file.name == "todo-machine.json"
    assert not queue.queue_lock.locked()
