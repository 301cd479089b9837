"""The draft of the extension index's entry, the forms for issues, and what CI runs."""

from __future__ import annotations

import json
import re
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


def test_ci_runs_targets_that_exist_on_every_python_that_is_named() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    pythons, targets = set(), set()
    for job in workflow["jobs"].values():
        pythons |= set(job.get("strategy", {}).get("matrix", {}).get("python-version", ()))
        for step in job["steps"]:
            pythons |= {step.get("with", {}).get("python-version", "3.11")} - {None}
            targets |= set(re.findall(r"\bmake ([\w-]+)", step.get("run", "")))
    assert all(f"\n{target}:" in makefile for target in targets)
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert set(named) <= pythons


def test_pre_commit_runs_the_pinned_ruff() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    pinned = re.search(r"^ruff==(.*)", (ROOT / "requirements" / "test.txt").read_text(), re.M)[1]
    assert config["repos"][0]["rev"] == f"v{pinned}"
