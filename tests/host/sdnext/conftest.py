"""Fixtures of the tests on a real SD.Next; without one they are skipped, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sdnext_host import SdNextHost


@pytest.fixture(scope="session")
def shared_sdnext(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SdNextHost]:
    """The long-lived host with ToDo."""
    with SdNextHost(tmp_path_factory.mktemp("sdnext")) as host:
        yield host


@pytest.fixture
def sdnext(shared_sdnext: SdNextHost) -> SdNextHost:
    """That host with the tiny SD 1.5 loaded and its probe reset."""
    shared_sdnext.use("tiny15")
    return shared_sdnext
