"""The draft of the extension index's entry, and the forms for issues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown import ROOT

ENTRY = ROOT / "docs" / "listing" / "sd-webui-todo.json"
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
OLDER_NAME, OLDER_FOLDER = "Token Downsampling", "sd-webui-token-downsampling"


def test_entry_has_what_the_index_requires_and_is_not_taken_for_the_older_extension() -> None:
    entry = json.loads(ENTRY.read_text())
    assert set(entry) == {"name", "url", "description", "tags"}
    assert entry["tags"] == ["script", "manipulations"]
    assert entry["name"].casefold() != OLDER_NAME.casefold()
    folder = entry["url"].removesuffix(".git").rpartition("/")[2]
    assert folder == ENTRY.stem != OLDER_FOLDER


def _fields(form: Path) -> list[dict[str, Any]]:
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= set(content)
    return content["body"]


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_forms_ask_for_the_line_and_the_version_of_the_host(form: Path) -> None:
    fields = _fields(form)
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in fields)
    required = {f["id"] for f in fields if f.get("validations", {}).get("required")}
    assert {"line", "host"} <= required
    assert any("version" in f["attributes"]["label"].casefold() for f in fields)


def test_there_are_forms() -> None:
    assert FORMS
