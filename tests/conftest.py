"""A real Valkey for every test that asks for one: `redis_url` is empty when a test starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.valkey_server import ValkeyServer


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for all tests of a process; use `redis_url`, which empties it."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"), appendfsync="no")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(shared_server: ValkeyServer) -> str:
    """The address of an empty server, shared with other tests."""
    shared_server.flush()
    return shared_server.url


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of the test's own that keeps everything it acknowledged, to kill and start again."""
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    yield server
    server.stop()
