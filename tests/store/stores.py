"""Every room of the store over one server, as the tests use it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from service.errors import StoreUnavailable
from service.risk.mark_rule import DOOR
from service.store.accounts import Accounts
from service.store.alert_log import AlertLog, ShardState
from service.store.client import Client, connect, connect_blocking
from service.store.keys import ShardKeys
from service.store.market_stream import Gate, MarketStream
from tests.valkey_cluster import AnyServer

SHARDS = 4


@dataclass
class Store:
    """`market` and `accounts` go by the time that the marks' sources give."""

    url: str
    client: Client
    blocking: Client
    market: MarketStream
    accounts: Accounts
    log: AlertLog

    def received(self, max_age_ms: int = 10_000) -> MarketStream:
        """The market stream by the time of receipt."""
        rule = replace(DOOR, max_age_s=max_age_ms / 1_000.0)
        return MarketStream(self.client, Gate("received", rule), self.blocking)


async def own(store: Store, shard: int) -> ShardState:
    """Become the owner of a shard, the one before is dead."""
    await store.client.call("DEL", ShardKeys(shard).lease)
    return (await store.log.acquire([shard], 60_000))[shard]


@contextlib.asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """The store over the server at `url`."""
    async with connect(url) as client, connect_blocking(url) as blocking:
        market = MarketStream(client, Gate("source"), blocking)
        accounts = Accounts(client, market, SHARDS)
        yield Store(url, client, blocking, market, accounts, AlertLog(client, SHARDS, blocking))


async def crash(store: Store, server: AnyServer) -> None:
    """Kill the server, start it over its files; return when the store's clients see it."""
    server.kill()
    with contextlib.suppress(StoreUnavailable):
        await store.client.call("PING")
    server.start()
    await store.client.call("PING")


async def names(store: Store, pattern: str = "*") -> list[bytes]:
    """The keys that there are, of all servers, by name."""
    found = await store.client.call_everywhere("KEYS", pattern)
    return sorted(name for of_server in found.values() for name in of_server)


async def blocked(store: Store) -> bool:
    """Whether a command of anybody waits at a server."""
    answers = await store.client.call_everywhere("INFO", "clients")
    return any(b"blocked_clients:0" not in answer for answer in answers.values())
