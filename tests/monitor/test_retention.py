"""How far the log reaches back: the monitor lets go what is old or too much, readers are told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.contract.cursor import encode_cursor
from service.monitor import service
from service.monitor.service import Retention
from service.store.epoch import settle
from tests.api.workers import open_worker, settings_of
from tests.monitor.test_service import (
    PATIENCE_S,
    SYMBOLS,
    list_symbols,
    monitor_over,
    post,
    running,
    until_logged,
    write_accounts,
)
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def logged(redis_url: str) -> AsyncIterator[tuple[Store, str]]:
    """A store whose log has entries, and the cursor of the log's beginning."""
    async with open_store(redis_url) as store:
        epoch = await settle(store.client, SHARDS)
        await list_symbols(store)
        await write_accounts(store, 30)
        for symbol in SYMBOLS:
            await post(store, symbol, 60.0, 1_000)
        async with running(store):
            await until_logged(store)
        yield store, encode_cursor(epoch, [0] * SHARDS)


async def until_trimmed(store: Store) -> None:
    """Return once all that was logged is gone."""
    deadline = time.monotonic() + PATIENCE_S
    while any(tail.trimmed < tail.offset for tail in await store.log.tails()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "keep",
    [
        Retention(log_ms=1, log_alerts=1_000_000, market_entries=1_000_000),
        Retention(log_ms=86_400_000, log_alerts=0, market_entries=1_000_000),
    ],
    ids=["by time", "by length"],
)
async def test_what_is_old_or_too_much_is_let_go_and_who_comes_from_there_is_told(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, keep: Retention
) -> None:
    monkeypatch.setattr(service, "RETENTION_S", 0.05)
    async with (
        logged(redis_url) as (store, beginning),
        open_worker(settings_of(redis_url)) as http,
    ):
        before = (await http.get("/v1/alerts", params={"since": beginning})).json()
        assert (before["recovered"], bool(before["alerts"])) == (True, True)
        async with running(store, monitor_over(store, keep=keep)):
            await until_trimmed(store)
        after = (await http.get("/v1/alerts", params={"since": beginning})).json()
        assert (after["recovered"], after["alerts"]) == (False, [])
        resumed = (await http.get("/v1/alerts", params={"since": before["cursor"]})).json()
        assert (resumed["recovered"], resumed["alerts"]) == (True, [])


async def test_what_is_neither_stays(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RETENTION_S", 0.05)
    async with logged(redis_url) as (store, _):
        calls = []
        trim = store.log.trim_log

        async def counted(shard: int, before_ms: int, keep: int) -> int:
            calls.append(shard)
            return await trim(shard, before_ms, keep)

        monkeypatch.setattr(store.log, "trim_log", counted)
        keep = Retention(log_ms=86_400_000, log_alerts=1_000_000, market_entries=1_000_000)
        async with running(store, monitor_over(store, keep=keep)):
            deadline = time.monotonic() + PATIENCE_S
            while len(calls) < 2 * SHARDS:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
        assert [tail.trimmed for tail in await store.log.tails()] == [0] * SHARDS
