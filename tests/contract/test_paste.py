"""A text that cannot be used, pasted on the page and sent to the API."""

from __future__ import annotations

import sys
import types
from typing import Any

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
