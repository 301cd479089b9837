"""The WebUIs that the tests run on; one that is not named is skipped, with the reason.

A test runs on AUTOMATIC1111's WebUI, or on those that its mark `kinds` names. They are all in
`support/kinds.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("told", "expect")

from host import Host, HostFactory  # noqa: E402
from kinds import KINDS, SDNEXT, Kind  # noqa: E402
from sdnext_host import SdNextHost  # noqa: E402


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("kinds")
        names = mark.args if mark else ("a1111",)
        kinds = [KINDS[name] for name in names]
        metafunc.parametrize("kind", kinds, ids=names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    found.folder()
    return found


@pytest.fixture(scope="session")
def new_host(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> HostFactory:
    """A factory of hosts with the keywords of `Host`, to be used as context managers."""
    made = SdNextHost if kind is SDNEXT else Host
    return lambda **keywords: made(kind, tmp_path_factory.mktemp("host"), **keywords)


@pytest.fixture(scope="session")
def shared_host(new_host: HostFactory) -> Iterator[Host]:
    """The long-lived host with its page and the extension."""
    with new_host() as host:
        yield host


@pytest.fixture
def host(shared_host: Host) -> Host:
    """The long-lived host with the tiny SD 1.5 loaded and its probe reset."""
    shared_host.use("tiny15_a")
    return shared_host
