"""Fixtures of the tests on Forge and reForge; one that is not named is skipped, with the reason.

SD_FORGE_DIR and SD_REFORGE_DIR name them, SD_FORGE_PYTHON and SD_REFORGE_PYTHON the Python to run
them with (the one of a venv/ in their folder or beside it otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from forge_hosts import FORGE, REFORGE, ForgeHost, Kind

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if any(item.path.is_relative_to(HERE) for item in items):
        for kind in (FORGE, REFORGE):
            if kind.why_not() is None:
                kind.python()


@pytest.fixture(scope="session", params=[FORGE, REFORGE], ids=["forge", "reforge"])
def forge_kind(request: pytest.FixtureRequest) -> Kind:
    """Forge, then reForge; skips where it is not named."""
    reason = request.param.why_not()
    if reason is not None:
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="session")
def forge_host(forge_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeHost]:
    """A long-lived Forge or reForge with its page and the extension."""
    with forge_kind.start(tmp_path_factory.mktemp("forge")) as host:
        yield host
