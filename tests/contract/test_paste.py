"""A text that cannot be used, pasted on the page and sent to the API."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastapi")
BAD = {"ToDo factor": "99"}
NAMES = ("enabled", "factor")


@pytest.fixture
def paste(host: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    from lib_todo.hosts.webui import paste

    monkeypatch.setattr(paste, "told", [], raising=False)
    monkeypatch.setattr(paste.gr, "Warning", paste.told.append)
    return paste


def keys(paste: Any) -> list[Any]:
    """Of the box and of one other control."""
    return [paste.PasteKey(name, lambda values, name=name: values[name]) for name in NAMES]


def paste_func(keys: list[Any], params: dict[str, str]) -> list[Any]:
    """The host's, before 1.9: an exception of one field's key ends it.

    A key knows it by its name. A comprehension would be a caller of its own before Python 3.12.
    """
    found = []
    for key in keys:
        found.append(key(params))
    return found


def test_the_page_goes_on_and_tells_it_once(paste: Any) -> None:
    assert paste_func(keys(paste), BAD) == [None, None]
    (told,) = paste.told
    assert "ToDo factor" in told
    assert "99" in told


def test_the_api_gets_the_error(paste: Any) -> None:
    box, other = keys(paste)
    with pytest.raises(paste.SettingsRefused) as refused:
        box(BAD)
    assert refused.value.status_code == 422
    assert "99" in refused.value.detail
    assert other(BAD) is None


def test_a_good_text_fills_the_controls(paste: Any) -> None:
    assert paste_func(keys(paste), {"ToDo factor": "3"}) == [True, 3]
    assert paste.told == []
