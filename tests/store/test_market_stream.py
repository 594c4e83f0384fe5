"""The market stream: one order, numbered without gaps, the same however it was fed."""

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from service.errors import StoreUnavailable
from service.risk.mark_rule import DOOR
from service.store import market_stream
from service.store.client import connect
from service.store.keys import SNAPSHOTS
from service.store.market_stream import MarketEntry, MarketStream, NewMark
from tests.cutting_proxy import proxied
from tests.store.gate_model import GateModel, quality
from tests.store.stores import Store, blocked, open_store
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


def mark(symbol: str, timestamp_ms: int | None, source: str = "", price: int = 1) -> NewMark:
    return NewMark("binance", symbol, b'{"markPrice":%d}' % price, timestamp_ms, source, price)


def shown(entries: Sequence[MarketEntry]) -> list[tuple[int, str, int]]:
    return [(entry.market_id, entry.kind, entry.event_time_ms) for entry in entries]


async def test_entries_count_from_one_and_keep_their_payload(store: Store) -> None:
    assert await store.market.tail() == (0, 0)
    assert await store.market.append_marks([mark(BTC, 1_000), mark(ETH, 1_500)]) == [1, 2]
    assert await store.market.append_instruments([("binance", BTC, b'{"a":1}')]) == [3]
    assert await store.market.append_changes([(3, 17)]) == [4]
    entries = await store.market.read(0)
    assert shown(entries) == [(1, "m", 1_000), (2, "m", 1_500), (3, "i", 1_500), (4, "a", 1_500)]
    assert [entry.payload for entry in entries[1:]] == [
        b'{"markPrice":1}',
        b'{"a":1}',
        b'{"shard":3,"upto":17}',
    ]
    assert await store.market.tail() == (4, 1_500)
    assert shown(await store.market.read(2, count=1)) == [(3, "i", 1_500)]


async def test_event_time_never_goes_backwards(store: Store) -> None:
    await store.market.append_marks([mark(BTC, 2_000), mark(ETH, 1_000), mark(ETH, 2_001)])
    assert shown(await store.market.read(0)) == [(1, "m", 2_000), (2, "m", 2_000), (3, "m", 2_001)]


async def test_an_older_mark_of_the_same_source_is_refused(store: Store) -> None:
    assert await store.market.append_marks([mark(BTC, 2_000, "a")]) == [1]
    results = await store.market.append_marks(
        [
            mark(BTC, 1_999, "a"),
            mark(BTC, 2_000, "a"),  # equal is fine
            mark(BTC, 1_000, "b"),  # another source has its own order
            mark(ETH, 1_000, "a"),
            mark(BTC, 2_001, "a"),
            mark(BTC, 2_000, "a"),  # older than the one before it in this call
        ]
    )
    assert results == ["stale_timestamp", 2, 3, 4, 5, "stale_timestamp"]


async def test_source_time_needs_a_timestamp(store: Store) -> None:
    assert await store.market.append_marks([mark(BTC, None)]) == ["timestamp_required"]
    assert await store.received().append_marks([mark(BTC, None)]) == [1]


async def test_a_mark_from_the_future_is_refused_by_time_of_receipt(store: Store) -> None:
    market = store.received()
    now = await store.client.time_ms("{market}:stream")
    results = await market.append_marks(
        [mark(BTC, now + 30_000), mark(ETH, now + 90_000), mark(ETH, now)]
    )
    assert results == [1, "future_timestamp", 2]
    entries = await market.read(0)
    assert all(now <= entry.event_time_ms < now + 20_000 for entry in entries)
    assert await store.market.append_marks([mark(ETH, now + 90_000)]) == [4]  # 3: stale BTC


async def test_refusals_alone_leave_no_trace(store: Store) -> None:
    await store.market.append_marks([mark(BTC, 2_000)])
    picture = await store.market.picture()
    assert await store.market.append_marks([mark(BTC, 1_000)]) == ["stale_timestamp"]
    assert await store.market.append_marks([]) == []
    assert await store.market.picture() == picture


async def test_a_batch_sent_again_is_appended_once(store: Store) -> None:
    batch = [mark(BTC, 1_000), mark(BTC, 500), mark(ETH, 1_000)]
    first = await store.market.append_marks(batch, "feed", 7)
    assert first == [1, "stale_timestamp", 2]
    assert await store.market.append_marks(batch, "feed", 7) == first
    assert await store.market.append_marks(batch, "feed", 6) == ["repeated"] * 3
    assert await store.market.append_marks(batch, "other", 7) == [3, "stale_timestamp", 4]
    assert await store.market.append_marks(batch, "feed", 8) == [5, "stale_timestamp", 6]
    assert await store.market.tail() == (6, 1_000)


async def test_a_large_batch_is_recognised_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_stream, "MARKS_A_CALL", 2)
    batch = [mark(BTC, 1_000 + number) for number in range(5)]
    assert await store.market.append_marks(batch[:4], "feed", 1) == [1, 2, 3, 4]
    # As after a crash between the parts: what is stored is not appended again, the rest is.
    assert await store.market.append_marks(batch, "feed", 1) == ["repeated"] * 2 + [3, 4, 5]
    assert await store.market.tail() == (5, 1_004)


async def test_a_batch_whose_answer_was_lost_is_safe_to_send_again(
    shared_server: AnyServer,
) -> None:
    shared_server.flush()
    async with proxied(shared_server) as proxy, connect(proxy.url) as client:
        market = MarketStream(client)
        await market.tail()
        for batch in range(1, 6):
            marks = [mark(BTC, None, price=batch)]
            proxy.lose_after = 0
            with pytest.raises(StoreUnavailable):
                await market.append_marks(marks, "feed", batch)
            assert await market.append_marks(marks, "feed", batch) == [batch]
        assert [entry.market_id for entry in await market.read(0)] == [1, 2, 3, 4, 5]


async def test_what_is_too_old_is_noticed_before_the_mark_that_moved_the_time(
    store: Store,
) -> None:
    await store.market.append_marks([mark(BTC, 1_000), mark(ETH, 11_000)])
    assert shown(await store.market.read(0)) == [(1, "m", 1_000), (2, "m", 11_000)]
    await store.market.append_marks([mark(ETH, 11_001), mark(ETH, 11_002)])
    entries = await store.market.read(2)
    assert shown(entries) == [(3, "q", 11_001), (4, "m", 11_001), (5, "m", 11_002)]
    assert entries[0].payload == quality("binance", BTC, "stale")
    newest = {found.symbol: found.stale for found in await store.market.newest()}
    assert newest == {BTC: True, ETH: False}


async def test_a_symbol_that_returns_is_fresh_after_its_mark(store: Store) -> None:
    await store.market.append_marks([mark(BTC, 0), mark(ETH, 20_000)])
    await store.market.append_marks([mark(BTC, 20_000), mark(BTC, 20_000)])
    entries = await store.market.read(3)
    assert shown(entries) == [(4, "m", 20_000), (5, "q", 20_000), (6, "m", 20_000)]
    assert entries[1].payload == quality("binance", BTC, "good")
    assert not any(found.stale for found in await store.market.newest())


async def test_a_mark_does_not_find_itself_too_old(store: Store) -> None:
    await store.market.append_marks([mark(BTC, 0), mark(BTC, 60_000)])
    assert shown(await store.market.read(0)) == [(1, "m", 0), (2, "m", 60_000)]


@pytest.mark.parametrize("seed", range(6))
async def test_the_gate_keeps_its_rules_however_marks_are_batched(seed: int, store: Store) -> None:
    chance = random.Random(seed)
    model, time = GateModel(DOOR), 1_000_000
    expected: list[int | str] = []
    results: list[int | str] = []
    for _ in range(40):
        batch = []
        for _ in range(chance.choice([1, 1, 2, 5, 30])):
            time += chance.choice([0, 0, 1, 500, 9_999, 10_000, 10_001])
            symbol, source = chance.choice("ABCDE"), chance.choice(["", "x"])
            batch.append(mark(symbol, time - chance.choice([0, 0, 0, 700, 15_000]), source))
        expected += [model.append(found) for found in batch]
        results += await store.market.append_marks(batch)
    assert results == expected
    entries = await store.market.read(0, count=10_000)
    found = [(entry.kind, entry.event_time_ms, entry.payload) for entry in entries]
    assert found == model.entries
    assert [entry.market_id for entry in entries] == list(range(1, len(entries) + 1))


async def test_silence_makes_symbols_stale_and_the_clock_tick(store: Store) -> None:
    market = store.received(max_age_ms=150)
    await market.append_marks([mark(BTC, None)])
    await market.append_clock()
    assert await market.tail() == (1, (await market.read(0))[0].event_time_ms)
    async with asyncio.timeout(10.0):
        while not (entries := await market.read(1)):
            await market.append_clock()
    assert [entry.kind for entry in entries] == ["q"]
    assert entries[0].event_time_ms > (await market.read(0))[0].event_time_ms + 150
    async with asyncio.timeout(10.0):
        while not (ticks := await market.read(2)):
            await market.append_clock()
    assert [entry.kind for entry in ticks] == ["c"]
    assert ticks[0].event_time_ms >= entries[0].event_time_ms + 1_000


async def test_source_time_has_no_clock(store: Store) -> None:
    await store.market.append_marks([mark(BTC, 1_000)])
    await store.market.append_clock()
    assert await store.market.tail() == (1, 1_000)


async def test_an_instrument_that_is_stored_just_so_is_no_change(store: Store) -> None:
    instruments = [("binance", BTC, b"1"), ("binance", ETH, b"1"), ("generic", BTC, b"2")]
    assert await store.market.append_instruments(instruments) == [1, 2, 3]
    assert await store.market.append_instruments(instruments) == [0, 0, 0]
    assert await store.market.append_instruments([("binance", BTC, b"3")]) == [4]
    assert await store.market.instruments() == [("binance", BTC, b"3"), *instruments[1:]]
    assert await store.market.instruments(venue="generic") == [("generic", BTC, b"2")]
    assert await store.market.instruments(symbol=ETH) == [("binance", ETH, b"1")]
    assert await store.market.instruments("generic", ETH) == []


async def test_a_picture_is_where_a_follower_starts(store: Store) -> None:
    await store.market.append_instruments([("binance", BTC, b"{}")])
    await store.market.append_marks([mark(BTC, 1_000, price=1), mark(BTC, 2_000, price=2)])
    picture = await store.market.picture()
    assert (picture.market_id, picture.event_time_ms) == (3, 2_000)
    assert picture.instruments == [("binance", BTC, b"{}")]
    [newest] = picture.marks
    assert (newest.venue, newest.symbol, newest.market_id) == ("binance", BTC, 3)
    assert (newest.event_time_ms, newest.stale, newest.payload) == (
        2_000,
        False,
        b'{"markPrice":2}',
    )
    assert await store.market.read(picture.market_id) == []


async def test_a_reader_that_waits_is_woken_and_one_in_vain_gets_nothing(store: Store) -> None:
    assert await store.market.read(0, block_ms=20) == []
    waiting = asyncio.create_task(store.market.read(0, block_ms=5_000))
    while not await blocked(store):
        pass
    await store.market.append_marks([mark(BTC, 5)])
    assert shown(await waiting) == [(1, "m", 5)]


async def test_trimming_keeps_what_a_restart_needs(store: Store) -> None:
    await store.market.append_marks([mark(BTC, number) for number in range(1, 101)])
    assert await store.market.trim(committed=90, keep=0) == 0  # without a snapshot all is needed
    for market_id in (10, 40, 80, 95):
        await store.market.save_snapshot(market_id, b"%d" % market_id)
    assert await store.market.load_snapshot(9) is None
    assert await store.market.load_snapshot(79) == (40, b"40")
    assert await store.market.trim(committed=90, keep=90) == 10
    assert (await store.market.read(0))[0].market_id == 11
    assert await store.market.load_snapshot(79) == (40, b"40")  # for who looks back: 80 serves
    assert await store.market.trim(committed=90, keep=5) == 80
    assert (await store.market.read(0))[0].market_id == 81
    assert await store.market.load_snapshot(79) is None
    assert await store.market.load_snapshot(90) == (80, b"80")
    assert await store.market.load_snapshot(1_000) == (95, b"95")


async def test_of_the_snapshots_that_the_stream_reaches_back_to_one_in_so_many_stays(
    store: Store,
) -> None:
    await store.market.append_marks([mark(BTC, number) for number in range(1, 401)])
    for market_id in range(5, 401, 5):
        await store.market.save_snapshot(market_id, b"%d" % market_id)
        await store.market.trim(committed=market_id, keep=200)
    kept = sorted(map(int, await store.client.call("HKEYS", SNAPSHOTS)))
    assert kept[-1] == 400
    assert 200 <= kept[0] <= 225  # the stream is cut at 200
    assert {after - before for before, after in pairwise(kept[:-1])} == {20}


async def test_marks_survive_a_crash_once_they_are_answered(valkey: AnyServer) -> None:
    async with open_store(valkey.url) as store:
        for number in range(1, 31):
            marks = [mark(BTC, number, price=number)]
            if number % 10 == 0:
                valkey.kill()
                with pytest.raises(StoreUnavailable):
                    await store.market.append_marks(marks, "feed", number)
                valkey.start()
            assert await store.market.append_marks(marks, "feed", number) == [number]
        entries = await store.market.read(0)
        assert shown(entries) == [(number, "m", number) for number in range(1, 31)]
