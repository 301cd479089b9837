"""Fixtures of the tests on a real SD.Next; without one they are skipped, with the reason.

SD_NEXT_DIR names its folder (the one with launch.py), SD_NEXT_PYTHON the Python to run it with (the
one of a venv/ in it or beside it otherwise).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from host_fixtures import factory, skip_or_check
from launching import find_python
from sdnext_host import SdNextHost, why_not

HERE = Path(__file__).resolve().parent
HostFactory = Callable[..., SdNextHost]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_or_check(items, HERE, why_not(), sdnext_python)


def sdnext_python() -> Path:
    return find_python(Path(os.environ["SD_NEXT_DIR"]).resolve(), "SD_NEXT_PYTHON")


@pytest.fixture(scope="session")
def start_sdnext(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostFactory]:
    """A factory of hosts with the keywords of `SdNextHost`; all of them stop at the end."""
    folder = Path(os.environ["SD_NEXT_DIR"]).resolve()
    python = sdnext_python()

    def make(**keywords: Any) -> SdNextHost:
        return SdNextHost(folder, python, tmp_path_factory.mktemp("sdnext"), **keywords)

    with factory(make) as start:
        yield start


@pytest.fixture(scope="session")
def shared_sdnext(start_sdnext: HostFactory) -> SdNextHost:
    """The long-lived host with ToDo."""
    return start_sdnext()


@pytest.fixture
def sdnext(shared_sdnext: SdNextHost) -> SdNextHost:
    """That host with the tiny SD 1.5 loaded and its probe reset."""
    shared_sdnext.use("tiny15")
    return shared_sdnext
