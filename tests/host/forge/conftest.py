"""Fixtures of the tests on Forge and its relatives; one that is not named is skipped, by a reason.

`forge_kinds.py` has them with the variables that name each: its folder, and the Python to run it
with (the one of a venv/ in that folder or beside it otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from forge_hosts import ForgeHost
from forge_kinds import KINDS, Kind

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if any(item.path.is_relative_to(HERE) for item in items):
        for kind in KINDS.values():
            if kind.why_not() is None:
                kind.python()


@pytest.fixture(scope="session", params=KINDS.values(), ids=KINDS.keys())
def forge_kind(request: pytest.FixtureRequest) -> Kind:
    """Each in turn; skips one that is not named."""
    reason = request.param.why_not()
    if reason is not None:
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="session")
def forge_host(forge_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeHost]:
    """A long-lived one of that kind with its page and the extension."""
    with ForgeHost(forge_kind, tmp_path_factory.mktemp("forge")) as host:
        yield host
