"""Acknowledgements and reminders over a real store, while monitors are killed."""

import asyncio
import random

import pytest

from service.store.acknowledgements import Acknowledgements
from service.store.log_entries import split_alerts
from tests.monitor.test_service import (
    SYMBOLS,
    expected,
    list_symbols,
    logs,
    post,
    running,
    until_logged,
    walk,
    write_accounts,
)
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio


async def acknowledge_some(store: Store, chance: random.Random) -> int:
    """Acknowledge a third of all alerts, among them such as were before; return how many."""
    acks = Acknowledgements(store.client, store.market, SHARDS)
    logged = await store.log.read_many([(shard, 0) for shard in range(SHARDS)], 1_000_000)
    named = [
        (key, int(alert.partition(b'"seq":')[2].partition(b",")[0]))
        for entries in logged
        for entry in entries
        for key, alert in zip(entry.account_keys, split_alerts(entry.alerts), strict=True)
    ]
    chosen = [each for each in named if chance.random() < 1 / 3]
    for key, seq in chosen:
        await acks.acknowledge(key, seq)
    return len(chosen)


async def test_reminders_end_with_acknowledgements_in_the_one_order_whoever_dies(
    redis_url: str,
) -> None:
    chance = random.Random(5)
    async with open_store(redis_url) as store:
        await list_symbols(store)
        await write_accounts(store, 30)
        done = 0
        for life in range(5):
            feeding = asyncio.create_task(walk(store, 30, life, 1_000_000 * (life + 1)))
            async with running(store):
                done += await acknowledge_some(store, chance)  # while marks come
                if life % 2:
                    await feeding
            await feeding
            done += await acknowledge_some(store, chance)  # while nobody listens
        async with running(store):
            await until_logged(store)
        told = [alert for log in await logs(store) for alert in log]
        again = [alert for alert in told if alert["transition"] == "repeat"]
        ids = {alert["id"] for alert in told}
        assert done > 20
        assert len(again) > 5
        assert all(alert["repeatOf"] in ids for alert in again)
        assert await logs(store) == await expected(store)


async def test_who_acknowledges_is_not_reminded_any_more(redis_url: str) -> None:
    """The rule of odd accounts here ends with an acknowledgement, that of even ones does not."""
    async with open_store(redis_url) as store:
        await list_symbols(store)
        await write_accounts(store, 30)
        for symbol in SYMBOLS:
            await post(store, symbol, 60.0, 1_000)
        async with running(store):
            await until_logged(store)
            assert await acknowledge_some(store, random.Random(1)) > 0
            await acknowledge_all(store)
            for minute in (2, 4, 6):
                await post(store, SYMBOLS[0], 60.0, minute * 60_000)
            await until_logged(store)
        again = {
            str(alert["accountId"])
            for log in await logs(store)
            for alert in log
            if alert["transition"] == "repeat"
        }
        numbers = {int(name.removeprefix("acc-")) for name in again}
        assert numbers
        assert {number % 2 for number in numbers} == {0}


async def acknowledge_all(store: Store) -> None:
    acks = Acknowledgements(store.client, store.market, SHARDS)
    for log in await logs(store):
        for alert in log:
            await acks.acknowledge(f"default/{alert['accountId']}", int(str(alert["seq"])))
