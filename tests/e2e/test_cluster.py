"""The whole service over a cluster of three masters, each of them killed while all is in flow."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from redis.crc import key_slot

from service.store import keys
from service.store.client import connect
from service.store.keys import ShardKeys
from tests.api.workers import one_tier
from tests.e2e.running_service import RunningService, until
from tests.e2e.test_serve import ACCOUNT, FAR, NEAR, mark
from tests.simulation.history import SHARDS, read_log
from tests.simulation.subscriber import Alert, Subscriber
from tests.valkey_cluster import ValkeyCluster
from tests.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

ACCOUNTS = [f"a{number}" for number in range(12)]


@pytest.fixture
def service(cluster: ValkeyCluster, tmp_path: Path) -> Iterator[RunningService]:
    running = RunningService(tmp_path / "data", "--redis-url", cluster.url)
    yield running
    running.process.terminate()
    assert running.ended() == 0


class Traffic:
    """Marks that raise or ease every account each time, accounts stored again in between."""

    def __init__(self, service: RunningService) -> None:
        self.moves = 0  # marks that were answered, each of another price than the one before
        self._service = service
        self._stop = threading.Event()

    def run(self) -> None:
        """Write until stopped; what is refused because a part is away is sent again."""
        self._service.write("PUT", "/v1/instruments", [one_tier(venue="binance")])
        mark(self._service, FAR)
        for account in ACCOUNTS:
            self._service.write("PUT", f"/v1/accounts/{account}", ACCOUNT)
        while not self._stop.wait(0.02):
            mark(self._service, FAR if self.moves % 2 else NEAR)
            self.moves += 1
            account = ACCOUNTS[self.moves % len(ACCOUNTS)]
            self._service.write("PUT", f"/v1/accounts/{account}", ACCOUNT)

    def moved(self) -> None:
        """Return once it has gone on for a while."""
        wanted = self.moves + 5
        until(lambda: self.moves >= wanted)

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Let it flow; all that was begun is answered at the end."""
        running = asyncio.create_task(asyncio.to_thread(self.run))
        try:
            yield
        finally:
            self._stop.set()
            await running


async def test_each_master_is_killed_in_turn_and_nothing_is_lost(
    cluster: ValkeyCluster, service: RunningService
) -> None:
    for node in cluster.nodes:
        assert any(_node_of(cluster, ShardKeys(shard).log) is node for shard in range(SHARDS))
    subscriber = Subscriber(service.url)
    following = asyncio.create_task(subscriber.follow())
    await asyncio.to_thread(until, lambda: subscriber.cursor is not None)
    traffic = Traffic(service)
    async with traffic.flowing():
        for node in (_node_of(cluster, keys.STREAM), *cluster.nodes):
            await asyncio.to_thread(traffic.moved)
            await asyncio.to_thread(_fall_and_rise, cluster, node, service)
        await asyncio.to_thread(traffic.moved)

    wanted = len(ACCOUNTS) * traffic.moves
    await asyncio.to_thread(until, lambda: len(subscriber.alerts) >= wanted)
    following.cancel()
    async with connect(cluster.url) as client:
        _check(await read_log(client), subscriber, traffic.moves)
    assert subscriber.connections == 1  # no client was sent away, whatever died


def _fall_and_rise(cluster: ValkeyCluster, node: ValkeyServer, service: RunningService) -> None:
    node.kill()
    until(lambda: _refuses(service))
    cluster.start()
    until(lambda: service.answers("/readyz"))


def _refuses(service: RunningService) -> bool:
    """Whether it says that it cannot work, in its own words."""
    ready = service.http.get("/readyz")
    assert ready.status_code == 200 or ready.json()["reasons"] == ["Redis does not answer"]
    answers: list[httpx.Response] = [
        service.http.get(f"/v1/accounts/{account}") for account in ACCOUNTS
    ]
    for answer in answers:
        assert answer.status_code == 200 or answer.json()["code"] == "store_unavailable"
    return ready.status_code == 503


def _check(log: list[Alert], subscriber: Subscriber, moves: int) -> None:
    """Every account was raised and eased in turn; the client has the same, once and in order."""
    for account in ACCOUNTS:
        of_account = [alert for alert in log if alert["accountId"] == account]
        assert [alert["seq"] for alert in of_account] == list(range(1, moves + 1))
        levels = ["MARGIN_CALL" if move % 2 == 0 else "HEALTHY" for move in range(moves)]
        assert [alert["level"] for alert in of_account] == levels
    assert subscriber.alerts == {alert["id"]: alert["whole"] for alert in log}
    assert (subscriber.out_of_order, subscriber.doubled, subscriber.unrecovered) == (0, 0, 0)


def _node_of(cluster: ValkeyCluster, key: str) -> ValkeyServer:
    return cluster.node_of(key_slot(key.encode()))
