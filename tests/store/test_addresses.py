"""What a URL may name: one server, a node of a cluster, several nodes."""

import pytest

from service.errors import StoreUnavailable
from service.store.client import connect
from service.store.cluster import seeds_of, url_at
from tests.launching import free_port
from tests.valkey_cluster import ValkeyCluster
from tests.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_several_addresses_are_a_cluster(shared_cluster: ValkeyCluster) -> None:
    ports = [free_port(), shared_cluster.nodes[1].port]
    async with connect("redis://" + ",".join(f"127.0.0.1:{port}" for port in ports)) as client:
        assert len(await client.call_everywhere("PING")) == 3


async def test_addresses_of_plain_servers_are_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = ValkeyServer(tmp_path_factory.mktemp("plain"), port=free_port(), appendfsync="no")
    server.start()
    try:
        async with connect(f"redis://127.0.0.1:{server.port},127.0.0.1:{server.port}") as client:
            with pytest.raises(StoreUnavailable, match="no cluster"):
                await client.call("PING")
    finally:
        server.stop()


def test_a_url_may_name_several_nodes() -> None:
    assert seeds_of("redis://a:1") == ["redis://a:1"]
    assert seeds_of("unix:///a,b.sock") == ["unix:///a,b.sock"]
    assert seeds_of("rediss://u:p@a:1,b:2/0?x=y") == [
        "rediss://u:p@a:1/0?x=y",
        "rediss://u:p@b:2/0?x=y",
    ]


def test_every_node_is_spoken_to_alike() -> None:
    assert url_at("rediss://u:p@a:1/0?x=y", "b", 2) == "rediss://u:p@b:2/0?x=y"
    assert url_at("redis://a", "::1", 2) == "redis://[::1]:2"
    assert url_at("unix:///a.sock", "127.0.0.1", 2) == "redis://127.0.0.1:2"
