"""The monitor over a real store: it is killed, cut off and replaced, and the log is the same."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np
import orjson
import pytest

from service.contract.instruments import encode_instrument
from service.contract.marks import encode_mark
from service.contract.questions import WORST, WorstQuestion, decode_answer, encode_question
from service.monitor import alerts, parts, shards
from service.monitor.engine import Engine
from service.monitor.service import Monitor, Ports, Retention
from service.monitor.shards import Shards
from service.risk.model import Account, Balance, Instrument, Level, Mark, Position, Thresholds, Tier
from service.store.accounts import Accounts
from service.store.funds import Funds
from service.store.health import Roll
from service.store.keys import ShardKeys
from service.store.log_entries import LogEntry, split_alerts
from service.store.market_stream import MarketStream, NewMark
from service.store.questions import Questions
from tests.monitor.fake_store import CrashedError, FakeStore, Log, log_of
from tests.monitor.streams import document_of
from tests.monitor.test_incremental import log_from_scratch
from tests.store.stores import SHARDS, Store, open_store, own
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

SYMBOLS = tuple(f"{base}/USDT:USDT" for base in ("BTC", "ETH", "SOL"))
TIERS = (Tier(0.0, 5_000.0, 0.01), Tier(5_000.0, float("inf"), 0.05))
KEEP = Retention(log_ms=60_000, log_alerts=1_000_000, market_entries=1_000_000)
PATIENCE_S = 20.0


def account(number: int, source: np.random.Generator) -> Account:
    """A cross account in some of the symbols, at a leverage between 2 and 20."""
    held = source.choice(SYMBOLS, size=int(source.integers(1, 4)), replace=False)
    positions = tuple(
        Position(str(symbol), float(source.normal(0.0, 20.0)), float(source.uniform(95.0, 105.0)))
        for symbol in held
    )
    notional = sum(abs(position.contracts) * 100.0 for position in positions)
    wallet = Balance("USDT", notional / float(source.uniform(2.0, 20.0)))
    wait_ms, every_ms = int(source.choice([0, 1_000, 5_000])), int(source.choice([0, 60_000]))
    waits = Thresholds(0.5, 0.8, 0.05, wait_ms, every_ms, number % 2 > 0)
    key = f"default/acc-{number}"
    return Account(key, balances=(wallet,), positions=positions, thresholds=waits)


async def list_symbols(store: Store) -> None:
    listed = [
        Instrument(symbol, True, 1.0, symbol.partition("/")[0], "USDT", "USDT", TIERS)
        for symbol in SYMBOLS
    ]
    await store.market.append_instruments(
        [(one.venue, one.symbol, encode_instrument(one)) for one in listed]
    )


async def post(store: Store, symbol: str, price: float, at_ms: int) -> None:
    payload = encode_mark(Mark(symbol, price, timestamp_ms=at_ms))
    results = await store.market.append_marks([NewMark("generic", symbol, payload, at_ms)])
    assert isinstance(results[0], int)


async def write_accounts(store: Store, count: int) -> None:
    source = np.random.default_rng(3)
    await store.accounts.put_many(
        [(f"default/acc-{n}", document_of(account(n, source))) for n in range(count)]
    )


class StrictRoll(Roll):
    """The list of monitors; who reports a mismatch is a failure."""

    async def report(self, figures: bytes) -> None:
        assert orjson.loads(figures)["mismatches"] == 0
        await super().report(figures)


def monitor_over(store: Store, name: str = "one", keep: Retention = KEEP) -> Monitor:
    async def fresh() -> Shards:
        return Shards(Engine("epoch"), store.market, store.accounts, store.log, SHARDS)

    questions = Questions(store.client, store.blocking, SHARDS)
    roll, funds = StrictRoll(store.client, name), Funds(store.client, SHARDS)
    ports = Ports(store.market, store.accounts, store.log, questions, roll, funds)
    return Monitor(ports, fresh, SHARDS, keep)


@contextlib.asynccontextmanager
async def running(
    store: Store, monitor: Monitor | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """A monitor at work; it dies as a killed process does, in the middle of whatever it does."""
    monitor = monitor or monitor_over(store)
    task = asyncio.create_task(monitor.run(asyncio.Event()))
    await poll(lambda: monitor.ready.is_set() or task.done())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await end_leases(store)


async def end_leases(store: Store) -> None:
    """As time does."""
    for shard in range(SHARDS):
        await store.client.call("DEL", ShardKeys(shard).lease)


async def poll(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def logs(store: Store) -> list[Log]:
    entries = await store.log.read_many([(shard, 0) for shard in range(SHARDS)], 1_000_000)
    return [
        log_of(alert for entry in log for alert in split_alerts(entry.alerts)) for log in entries
    ]


async def expected(store: Store) -> list[Log]:
    """The log of the input that the store has, every pool evaluated after every entry."""
    copy = FakeStore(SHARDS)
    copy.entries = await store.market.read(0, 1_000_000)
    for number, shard in enumerate(copy.shards):
        shard.changes = await store.accounts.changes(number, 0, 1_000_000, 1_000_000)
    return await asyncio.to_thread(log_from_scratch, copy)


async def until_logged(store: Store) -> None:
    """Wait until the log is what it must be, and says something."""
    wanted = await expected(store)
    assert sum(map(len, wanted)) > 0
    deadline = time.monotonic() + PATIENCE_S
    while (found := await logs(store)) != wanted:
        assert time.monotonic() < deadline, (list(map(len, found)), list(map(len, wanted)))
        await asyncio.sleep(0.02)


async def walk(store: Store, steps: int, seed: int, start_ms: int) -> None:
    """Marks that wander, with account changes in between."""
    source = np.random.default_rng(seed)
    for step in range(steps):
        symbol = SYMBOLS[step % len(SYMBOLS)]
        await post(
            store, symbol, 100.0 * float(np.exp(source.normal(0.0, 0.03))), start_ms + 400 * step
        )
        if step % 10 == 0:
            changed = account(int(source.integers(30)), source)
            await store.accounts.put(changed.account_key, document_of(changed), "deposit")


@pytest.mark.parametrize("in_parts", [False, True])
async def test_a_monitor_killed_again_and_again_writes_the_log_of_one_that_lives(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, in_parts: bool
) -> None:
    if in_parts:
        monkeypatch.setattr(alerts, "PAGE_ALERTS", 2)
        monkeypatch.setattr(alerts, "PAGE_LEGS", 2)
        monkeypatch.setattr(shards, "PART_LEFT", 1)
        monkeypatch.setattr(parts, "PART_ALERTS", 1)
    async with open_store(redis_url) as store:
        await list_symbols(store)
        await write_accounts(store, 30)
        for life in range(6):
            feeding = asyncio.create_task(walk(store, 30, life, 1_000_000 * (life + 1)))
            async with running(store):
                if life % 2:
                    await feeding
            await feeding
        async with running(store):
            await until_logged(store)


async def test_a_server_that_dies_and_returns_loses_nothing(valkey: AnyServer) -> None:
    async with open_store(valkey.url) as store:
        await list_symbols(store)
        await write_accounts(store, 30)
        async with running(store) as task:
            for life in range(3):
                await walk(store, 20, life, 1_000_000 * (life + 1))
                valkey.kill()
                await asyncio.sleep(0)
                valkey.start()
                await until_answering(store)
            await until_logged(store)
            assert not task.done()


async def until_answering(store: Store) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            await store.client.call("PING")
            return
    raise AssertionError("the server does not answer")


def served(monitor: Monitor) -> list[int]:
    shards = monitor.figures()["shards"]
    assert isinstance(shards, list)
    return shards


async def test_who_loses_a_shard_goes_on_with_the_others_and_takes_it_again(
    redis_url: str,
) -> None:
    async with open_store(redis_url) as store:
        await list_symbols(store)
        await write_accounts(store, 30)
        monitor = monitor_over(store)
        async with running(store, monitor):
            await poll(lambda: served(monitor) == [0, 1, 2, 3])
            taken = await own(store, 1)
            await poll(lambda: served(monitor) == [0, 2, 3])
            await walk(store, 30, 1, 1_000_000)
            assert await store.log.renew([(1, taken.token)], 0) == []
            await poll(lambda: served(monitor) == [0, 1, 2, 3])
            await until_logged(store)


async def test_a_monitor_that_is_stopped_commits_and_gives_its_shards_back(redis_url: str) -> None:
    async with open_store(redis_url) as store:
        await list_symbols(store)
        await write_accounts(store, 10)
        stop, monitor = asyncio.Event(), monitor_over(store)
        task = asyncio.create_task(monitor.run(stop))
        await poll(monitor.ready.is_set)
        await walk(store, 20, 1, 1_000_000)
        await until_logged(store)
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)
        assert await store.log.unowned() == list(range(SHARDS))
        tail, _ = await store.market.tail()
        state = await own(store, 0)
        assert state.market_id == tail
        assert await store.market.load_snapshot(tail) is not None


class DyingWriter(MarketStream):
    """Dies before it can tell the market stream."""

    async def append_changes(self, upto: Sequence[tuple[int, int]]) -> list[int]:
        raise CrashedError(upto)


async def test_a_change_without_a_notice_is_seen_to(redis_url: str) -> None:
    holder = Account("default/late", positions=(Position(SYMBOLS[0], 1.0, 100.0),))
    async with open_store(redis_url) as store:
        await list_symbols(store)
        await post(store, SYMBOLS[0], 90.0, 1_000)
        accounts = Accounts(store.client, DyingWriter(store.client), SHARDS)
        async with running(store):
            with pytest.raises(CrashedError):
                await accounts.put(holder.account_key, document_of(holder))
            shard = accounts.shard_of(holder.account_key)
            await poll_store(store.log.read, shard)


async def poll_store(read: Callable[[int, int], Awaitable[list[LogEntry]]], shard: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await read(shard, 0):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_the_worst_accounts_are_told(redis_url: str) -> None:
    async with open_store(redis_url) as store:
        await list_symbols(store)
        wallets = {"default/0": 30.0, "default/1": 12.0, "default/2": 20.2, "default-2/1": 12.0}
        for key, wallet in wallets.items():  # the last is another tenant's
            one = Account(
                key,
                balances=(Balance("USDT", wallet),),
                positions=(Position(SYMBOLS[0], 1.0, 100.0),),
            )
            await store.accounts.put(one.account_key, document_of(one))
        async with running(store):
            await post(store, SYMBOLS[0], 81.0, 1_000)
            await until_logged(store)
            asked = encode_question(WorstQuestion("default", Level.WARNING, 10))
            answers = await Questions(store.client, store.blocking, SHARDS).ask(WORST, asked, 5.0)
    places = [place for answer in answers for place in decode_answer(answer).places]
    assert [(place.account_key, place.level) for place in places] == [
        ("default/1", Level.BANKRUPT),
        ("default/2", Level.WARNING),
    ]
