"""What CI and pre-commit run is what the project has."""

from __future__ import annotations

import re

import pytest
from markdown import ROOT

yaml = pytest.importorskip("yaml")


def test_ci_runs_targets_that_exist_on_every_python_that_is_named() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    pythons, targets = set(), set()
    for job in workflow["jobs"].values():
        pythons |= set(job.get("strategy", {}).get("matrix", {}).get("python-version", ()))
        for step in job["steps"]:
            pythons.add(step.get("with", {}).get("python-version"))
            targets |= set(re.findall(r"\bmake ([\w-]+)", step.get("run", "")))
    assert all(f"\n{target}:" in makefile for target in targets)
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert set(named) <= pythons


def test_pre_commit_runs_the_pinned_ruff() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    pinned = re.search(r"^ruff==(.*)", (ROOT / "requirements" / "test.txt").read_text(), re.M)[1]
    assert config["repos"][0]["rev"] == f"v{pinned}"
