"""A real Valkey for every test that asks for one: `redis_url` is empty when a test starts.

With PLIMSOLL_TEST_STORE=cluster the same tests run on a cluster of three masters.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from numba._dispatcher import compute_fingerprint

from service import app
from service.memory import calm_collector, collect_seldom
from service.monitor import judges
from service.risk.compiled import Direct
from tests.valkey_cluster import AnyServer, ValkeyCluster, server_to_test

settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
settings.load_profile("untimed")

Kind = TypeVar("Kind", bound=AnyServer)
# Where tests start services of several processes.
WHOLE_SERVICES = {"e2e", "fuzz", "loadtests", "simulation", "terminal"}


def pytest_configure(config: pytest.Config) -> None:
    """Compile what is compiled once, before every process of the tests would.

    In the processes of the tests, unlike in those of a service, types are looked at at every call.
    """
    collect_seldom()
    if not hasattr(config, "workerinput"):
        app.warm_up()
        judges.warm_up()
    Direct.__call__ = _checked  # type: ignore[method-assign]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with tests of whole services, which wait most: none is left when all others are done.

    Each of four processes begins with a quarter of the list, and takes of others' what is left:
    two of them begin with services, two with tests that only compute.
    """
    files = dict.fromkeys(item.path for item in items)
    whole = [file for file in files if WHOLE_SERVICES.intersection(file.parts)]
    first, second = set(whole[::2]), set(whole[1::2])
    others = [item for item in items if item.path not in first | second]
    half = len(items) // 2 - sum(item.path in first for item in items)
    items[:] = (
        *(item for item in items if item.path in first),
        *others[:half],
        *(item for item in items if item.path in second),
        *others[half:],
    )


def pytest_collection_finish() -> None:
    """Take all that was collected out of the garbage collector's sight: it stays."""
    calm_collector()


def _checked(self: Direct, *arguments: Any) -> Any:
    types = tuple(map(compute_fingerprint, arguments))
    assert types == _types.setdefault(self, types), "columns of other types than before"
    return _call(self, *arguments)


_call = Direct.__call__
_types: dict[Direct, tuple[bytes, ...]] = {}  # of each function's first call


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyServer]:
    """One server for all tests of a process; use `redis_url`, which empties it."""
    yield from _kept(server_to_test(tmp_path_factory.mktemp("valkey"), appendfsync="no"))


@pytest.fixture(scope="session")
def shared_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ValkeyCluster]:
    """A cluster for all tests of a process: the shared server, where that is one."""
    server = request.getfixturevalue("shared_server")
    if isinstance(server, ValkeyCluster):
        yield server
    else:
        yield from _kept(ValkeyCluster(tmp_path_factory.mktemp("cluster"), appendfsync="no"))


@pytest.fixture
def redis_url(shared_server: AnyServer) -> str:
    """The address of an empty server, shared with other tests."""
    shared_server.flush()
    return shared_server.url


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[AnyServer]:
    """A server of the test's own that keeps everything it acknowledged, to kill and start again."""
    yield from _kept(server_to_test(tmp_path / "valkey"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ValkeyCluster]:
    """A cluster of the test's own."""
    yield from _kept(ValkeyCluster(tmp_path / "cluster"))


def _kept(server: Kind) -> Iterator[Kind]:
    server.start()
    yield server
    server.stop()
