"""A real Valkey for every test that asks for one: `redis_url` is empty at the start of each test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store.client import connect
from service.store.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server for all tests of a process; use `redis_url`, which empties it."""
    server = EmbeddedServer(tmp_path_factory.mktemp("valkey"), appendfsync="no")
    server.start()
    server.wait_ready()
    yield server
    server.stop()


@pytest.fixture
def redis_url(shared_server: EmbeddedServer) -> str:
    """The address of an empty server, shared with other tests."""
    flush(shared_server.url)
    return shared_server.url


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own that keeps everything, to kill and start again."""
    server = EmbeddedServer(tmp_path / "valkey")
    server.start()
    server.wait_ready()
    yield server
    server.stop()


def flush(url: str) -> None:
    """Empty a server."""

    async def flush_all() -> None:
        async with connect(url) as client:
            await client.call("FLUSHALL")

    asyncio.run(flush_all())
