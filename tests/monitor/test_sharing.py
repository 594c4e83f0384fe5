"""Monitors over a real store: they join, leave and share, and the log is the same."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from service.monitor import leases
from service.monitor.engine import Engine
from service.monitor.leases import LEASE_S, Leases
from service.monitor.service import Monitor
from service.monitor.shards import Shards
from service.store.alert_log import Commit
from service.store.health import Roll
from tests.monitor.test_service import (
    SYMBOLS,
    end_leases,
    list_symbols,
    monitor_over,
    poll,
    post,
    served,
    until_logged,
    walk,
    write_accounts,
)
from tests.store.stores import SHARDS, Store, open_store, own

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def present(store: Store, name: str) -> AsyncIterator[Monitor]:
    """A monitor that is there for a while and then leaves in good order."""
    monitor, stop = monitor_over(store, name), asyncio.Event()
    task = asyncio.create_task(monitor.run(stop))
    yield monitor
    stop.set()
    await task


def held(*monitors: Monitor) -> list[int]:
    return [each.figures()["accounts"] for each in monitors]


async def test_who_joins_gets_half_and_who_leaves_gives_it_back(redis_url: str) -> None:
    async with open_store(redis_url) as store:
        await list_symbols(store)
        await write_accounts(store, 30)
        async with present(store, "one") as one:
            await poll(lambda: served(one) == [0, 1, 2, 3])
            await walk(store, 30, 1, 1_000_000)
            async with present(store, "two") as two:
                feeding = asyncio.create_task(walk(store, 60, 2, 2_000_000))
                await poll(lambda: len(served(one)) == len(served(two)) == 2)
                assert sorted(served(one) + served(two)) == [0, 1, 2, 3]
                await feeding
                await until_logged(store)
                # A count that took long is told for a while.
                await poll(lambda: sum(held(one, two)) == 30)
                assert min(held(one, two)) > 0
            left_at = time.monotonic()
            await poll(lambda: served(one) == [0, 1, 2, 3])
            assert time.monotonic() - left_at < LEASE_S  # no lease had to end
            await walk(store, 30, 3, 3_000_000)
            await until_logged(store)


async def test_the_stream_is_kept_for_shards_that_nobody_owns(redis_url: str) -> None:
    async with open_store(redis_url) as store:
        await list_symbols(store)
        for step in range(20):
            await post(store, SYMBOLS[0], 100.0 + step, 1_000 * (step + 1))
        orphan = await own(store, 0)
        book = Shards(Engine("epoch"), store.market, store.accounts, store.log, SHARDS)
        book.expect(await store.log.acquire([1, 2, 3]))
        await book.recover()
        await book.follow(0)
        tail, _ = await store.market.tail()
        await book.save_snapshot(0)
        assert (await store.market.read(0, 1))[0].market_id == 1  # 0 was never committed
        await store.log.commit([(0, Commit(orphan.token, 1, tail, 0, 0))])
        await book.save_snapshot(0)
        assert await store.market.read(0, 1) == []
        await post(store, SYMBOLS[0], 50.0, 50_000)
        await book.follow(0)
        await book.save_snapshot(0)
        assert (await store.market.read(tail, 1))[0].market_id == tail + 1
        assert await store.market.load_snapshot(tail) is not None


async def test_two_clocks_break_a_silence_once(redis_url: str) -> None:
    async with open_store(redis_url) as store:
        market = store.received()
        await asyncio.gather(market.append_clock(), market.append_clock())
        assert len(await market.read(0)) == 1


@dataclass
class Clock:
    """Stands for the module `time`."""

    now: float = 100.0

    def monotonic(self) -> float:
        return self.now


async def test_who_could_not_look_for_long_lets_the_others_renew_first(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(leases, "time", clock)
    async with open_store(redis_url) as store:
        mine = Leases(store.log, Roll(store.client, "one"), SHARDS)
        clock.now += LEASE_S / 2.0
        assert (await mine.look()).free == (0, 1, 2, 3)
        clock.now += LEASE_S / 2.0 + 0.01
        assert (await mine.look()).free == ()
        clock.now += LEASE_S / 2.0
        assert (await mine.look()).free == ()
        clock.now += LEASE_S / 2.0
        assert (await mine.look()).free == (0, 1, 2, 3)


async def test_a_lease_is_sure_for_as_long_as_it_lasts(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(leases, "time", clock)
    async with open_store(redis_url) as store:
        one = Leases(store.log, Roll(store.client, "one"), SHARDS)
        two = Leases(store.log, Roll(store.client, "two"), SHARDS)
        assert sorted(await one.take([0, 1])) == [0, 1]
        assert sorted(await two.take([0, 1, 2])) == [2]
        assert await one.renew() == []
        clock.now += LEASE_S - 0.01
        assert one.sure
        clock.now += 0.01
        assert not one.sure
        await end_leases(store)
        assert sorted(await two.take([1])) == [1]
        assert await one.renew() == [1]
        assert (one.sure, list(one.held)) == (True, [0])
        await one.give_back([0])
        assert (await store.log.unowned(), one.held) == ([0, 2, 3], {})
