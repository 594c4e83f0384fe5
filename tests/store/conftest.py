"""The store over a plain server and over a cluster's node: scripts name keys of one slot."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from service.store.client import Client
from tests.store.stores import Store, open_store
from tests.valkey_server import ValkeyServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One node of a cluster."""
    extra = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    directory = tmp_path_factory.mktemp("cluster")
    server = ValkeyServer(directory, port=free_port(), appendfsync="no", extra=extra)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["plain", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store."""
    kind = "shared_server" if request.param == "plain" else "cluster_server"
    server: ValkeyServer = request.getfixturevalue(kind)
    async with open_store(server.url) as opened:
        if request.param == "cluster":
            await own_all_slots(opened.client)
        await opened.client.call("FLUSHALL")
        yield opened


async def own_all_slots(client: Client) -> None:
    """Make a node a cluster of its own."""
    if b"cluster_slots_assigned:16384" not in await client.call("CLUSTER", "INFO"):
        await client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
    while b"cluster_state:ok" not in await client.call("CLUSTER", "INFO"):
        pass
