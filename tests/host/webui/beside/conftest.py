"""Hosts with other people's extensions: without ours, and with ours loaded before or after them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import first_pixels
from neighbours import CASES, ORDERS, Case, HostWithOthers, checkout


@pytest.fixture(scope="session")
def without_todo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The pixels of each case on a host with the other extensions, where ToDo is not installed."""
    with HostWithOthers(tmp_path_factory.mktemp("others"), None) as host:
        return {
            name: first_pixels(case.txt2img(host))
            for name, case in {"nothing": Case(), **CASES}.items()
            if case.extension is None or checkout(case.extension)
        }


@pytest.fixture(scope="session", params=ORDERS)
def shared_crowded(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    without_todo: dict[str, bytes],
) -> Iterator[HostWithOthers]:
    with HostWithOthers(tmp_path_factory.mktemp("others"), request.param) as host:
        yield host


@pytest.fixture
def crowded(shared_crowded: HostWithOthers) -> HostWithOthers:
    """A host with the other extensions and ours, its probe reset."""
    shared_crowded.probe_reset()
    return shared_crowded
