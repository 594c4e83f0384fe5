"""The market's server comes back without its last entries: the monitor judges what comes after."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from service.monitor.engine import Engine
from service.monitor.service import Monitor, Ports
from service.monitor.shards import Shards
from service.store import keys
from service.store.epoch import settle
from service.store.funds import Funds
from service.store.health import Roll
from service.store.questions import Questions
from tests.monitor.test_service import (
    KEEP,
    PATIENCE_S,
    SYMBOLS,
    list_symbols,
    logs,
    post,
    until_logged,
    walk,
    write_accounts,
)
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio

LOST = 12


async def lose_entries(store: Store, count: int) -> None:
    """Leave the stream as a server has it that did not get its last writes."""
    rows = (await store.client.call("XRANGE", keys.STREAM, "-", "+"))[:-count]
    left = [("XADD", keys.STREAM, identifier, *fields) for identifier, fields in rows]
    sequence = ("HSET", keys.CLOCK, "sequence", int(rows[-1][0][:-2]))
    await store.client.batch([("DEL", keys.STREAM), *left, sequence], atomic=True)


@contextlib.asynccontextmanager
async def running(store: Store) -> AsyncIterator[None]:
    """A monitor at work, whose audits may find what only the lost entries said."""

    async def fresh() -> Shards:
        return Shards(Engine("epoch"), store.market, store.accounts, store.log, SHARDS)

    questions = Questions(store.client, store.blocking, SHARDS)
    ports = Ports(
        store.market,
        store.accounts,
        store.log,
        questions,
        Roll(store.client, "one"),
        Funds(store.client, SHARDS),
    )
    monitor = Monitor(ports, fresh, SHARDS, KEEP)
    task = asyncio.create_task(monitor.run(asyncio.Event()))
    async with asyncio.timeout(PATIENCE_S):
        await monitor.ready.wait()
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def judged(store: Store, price: float, at_ms: int) -> None:
    """Mark everything at a price and return once that was an alert to somebody."""
    before = sum(map(len, await logs(store)))
    for number, symbol in enumerate(SYMBOLS):
        await post(store, symbol, price, at_ms + number)

    async def alerted() -> bool:
        return sum(map(len, await logs(store))) > before

    await holds(alerted)


async def committed(store: Store) -> int:
    """The furthest that a shard has committed."""
    names = [keys.ShardKeys(shard).state for shard in range(SHARDS)]
    found = await store.client.batch([("HGET", name, "marketId") for name in names])
    return max(int(each or 0) for each in found)


async def holds(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("server_shows", [True, False])
async def test_marks_after_a_loss_are_judged(server_shows: bool, redis_url: str) -> None:
    """Whether it is seen by the server's name, or by what was committed beyond the stream."""
    async with open_store(redis_url) as store:
        epoch = await settle(store.client, SHARDS)
        await list_symbols(store)
        await write_accounts(store, 20)
        async with running(store):
            await walk(store, 20, 1, 1_000_000)
            await until_logged(store)
            end, _ = await store.market.tail()
            assert await committed(store) > end - LOST
            await lose_entries(store, LOST)
            if server_shows:
                await store.client.call("SET", keys.SERVERS, "another:1")
            assert await settle(store.client, SHARDS) != epoch
            assert (await store.market.tail())[0] > end
            await judged(store, 0.5, 5_000_000)
        async with running(store):  # who starts anew finds its way over the gap too
            await judged(store, 200.0, 6_000_000)
