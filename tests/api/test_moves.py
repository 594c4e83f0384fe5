"""Live volatility: every worker comes to the same, whenever it starts and whatever it missed."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
import pytest

from service.api import moves as module
from service.api.follower import MarketFollower
from service.api.moves import MarketMoves, Moves
from service.api.tracks import Watcher
from service.contract.likelihood import VolatilityDocument
from service.contract.marks import encode_mark
from service.risk.model import Mark
from service.risk.volatility import KNOWN, NO_MARK, TOO_FEW_MARKS, VolatilityBook
from service.store.client import Client, connect, connect_blocking
from service.store.market_stream import Gate, MarketStream, NewMark
from service.store.volatility import KeptVolatility, VolatilityStore

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
KEYS = [("generic", BTC), ("binance", BTC), ("binance", ETH)]
START_MS = 1_760_000_000_000
WAIT_S = 20.0


class Feed:
    """Marks a second apart by their own clock: a random walk, the same for everybody."""

    def __init__(self, stream: MarketStream) -> None:
        self.time_ms = START_MS
        self.prices: list[tuple[float, int]] = []
        self._stream = stream
        self._generator = np.random.default_rng(11)

    async def run(self, count: int) -> int:
        """Append marks; return the id of the last."""
        marks = []
        for _ in range(count):
            self.time_ms += 1_000
            price = 100.0 * math.exp(self._generator.normal(0.0, 0.001) + 1e-4 * len(self.prices))
            self.prices.append((price, self.time_ms))
            mark = Mark(BTC, price, timestamp_ms=self.time_ms)
            marks.append(NewMark("generic", BTC, encode_mark(mark), self.time_ms))
        taken = await self._stream.append_marks(marks)
        assert isinstance(taken[-1], int)
        return taken[-1]


@contextlib.asynccontextmanager
async def streams(redis_url: str) -> AsyncIterator[tuple[MarketStream, VolatilityStore]]:
    async with connect(redis_url) as client, connect_blocking(redis_url) as blocking:
        yield MarketStream(client, Gate("source"), blocking), VolatilityStore(client)


@contextlib.asynccontextmanager
async def working(
    stream: MarketStream, store: VolatilityStore, watcher: Watcher | None = None
) -> AsyncIterator[MarketMoves]:
    """A worker's follower and its figures, up to date."""
    follower = MarketFollower(stream, event_time="source")
    follower.taker = moves = MarketMoves(stream, follower, store)
    moves.watcher = watcher
    tasks = [asyncio.create_task(follower.run()), asyncio.create_task(moves.run())]
    try:
        newest, _ = await stream.tail()
        await up_to(follower, moves, newest)
        yield moves
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def up_to(follower: MarketFollower, moves: MarketMoves, market_id: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while not (moves.live and follower.market_id >= market_id):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


def look(moves: MarketMoves, now_ms: int) -> Moves:
    return moves.look(KEYS, now_ms, {})


def figures(moves: MarketMoves, now_ms: int) -> list[Any]:
    found = look(moves, now_ms)
    columns = (found.volatility.annual, found.volatility.state)
    return [[repr(value) for value in column.tolist()] for column in columns] + [found.samples]


async def test_it_is_what_the_rule_makes_of_all_marks(redis_url: str) -> None:
    async with streams(redis_url) as (stream, store):
        feed = Feed(stream)
        await feed.run(400)
        book = VolatilityBook()
        price, time_ms = zip(*feed.prices, strict=True)
        book.observe(np.zeros(400, np.int64), np.array(price), np.array(time_ms))
        expected = book.read(np.zeros(1, np.int64), feed.time_ms)
        async with working(stream, store) as moves:
            found = look(moves, feed.time_ms)
    assert found.volatility.annual[:2].tolist() == [expected.annual[0]] * 2
    assert found.volatility.state.tolist() == [KNOWN, KNOWN, NO_MARK]
    assert found.venue == ["generic", "generic", None]
    assert found.samples == [79, 79, 0]


async def test_two_workers_that_start_apart_say_the_same(redis_url: str) -> None:
    """To the last bit: one has followed all of it, one has started in between."""
    async with streams(redis_url) as (stream, store), streams(redis_url) as (other, others):
        feed = Feed(stream)
        await feed.run(100)
        async with working(stream, store) as first:
            await feed.run(150)
            async with working(other, others) as second:
                newest = await feed.run(151)
                for moves in (first, second):
                    assert isinstance(moves.picture, MarketFollower)
                    await up_to(moves.picture, moves, newest)
                assert figures(first, feed.time_ms) == figures(second, feed.time_ms)
                assert look(first, feed.time_ms).volatility.state[0] == KNOWN


async def test_until_there_are_enough_marks_it_says_how_many(redis_url: str) -> None:
    async with streams(redis_url) as (stream, store):
        feed = Feed(stream)
        await feed.run(150)
        async with working(stream, store) as moves:
            found = look(moves, feed.time_ms)
            assert (found.volatility.state[0], found.samples[0]) == (TOO_FEW_MARKS, 29)
            newest = await feed.run(1)
            assert isinstance(moves.picture, MarketFollower)
            await up_to(moves.picture, moves, newest)
            found = look(moves, feed.time_ms)
            assert (found.volatility.state[0], found.samples[0]) == (KNOWN, 30)


async def test_a_start_goes_on_from_what_is_kept(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream has only the newest entries; what was made of the others is kept."""
    monkeypatch.setattr(module, "KEEP_S", 0.05)
    async with streams(redis_url) as (stream, store):
        feed = Feed(stream)
        newest = await feed.run(400)
        async with working(stream, store) as moves:
            async with asyncio.timeout(WAIT_S):
                while await store.kept_id() != newest:  # noqa: ASYNC110 - it is in the store
                    await asyncio.sleep(0.01)
            before = figures(moves, feed.time_ms)
        await stream.trim(newest, 0)
        async with working(stream, store) as moves:
            assert figures(moves, feed.time_ms) == before


@pytest.mark.parametrize("trimmed", [False, True])
async def test_what_nobody_can_read_any_more_is_passed_over_by_all(
    redis_url: str, trimmed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries are gone, or too many: two workers start at once, and agree on where from."""
    async with (
        streams(redis_url) as (stream, store),
        streams(redis_url) as (other, others),
        connect(redis_url) as client,
    ):
        feed = Feed(stream)
        newest = await feed.run(400)
        if trimmed:
            await client.call("XTRIM", "{market}:stream", "MINID", f"{newest - 199}-0")
        else:
            monkeypatch.setattr(module, "WARM_UP_ENTRIES", 200)
        async with working(stream, store) as first, working(other, others) as second:
            assert figures(first, feed.time_ms) == figures(second, feed.time_ms)
            assert look(first, feed.time_ms).samples[0] == 39
            kept = await store.load()
            assert kept is not None
            assert kept.market_id == newest - 200


class Busy(VolatilityStore):
    """Whenever something is kept, another mark has come."""

    def __init__(self, client: Client, feed: Feed) -> None:
        super().__init__(client)
        self._feed = feed

    async def keep(self, state: KeptVolatility, after: int | None) -> bool:
        await self._feed.run(1)
        return await super().keep(state, after)


async def test_marks_that_go_on_coming_do_not_keep_it_from_passing_over(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WARM_UP_ENTRIES", 100)
    async with streams(redis_url) as (stream, store), connect(redis_url) as client:
        feed = Feed(stream)
        newest = await feed.run(400)
        assert await store.keep(KeptVolatility(0, b""), None)
        async with working(stream, Busy(client, feed)) as moves:
            assert moves.live
            assert look(moves, feed.time_ms).samples[0] == 20
            kept = await store.load()
            assert kept is not None
            assert kept.market_id == newest - 100


@pytest.mark.parametrize("state", [b"nonsense", b'{"markets":[["a","b"]],"columns":{}}'])
async def test_what_cannot_be_read_starts_anew(redis_url: str, state: bytes) -> None:
    async with streams(redis_url) as (stream, store):
        feed = Feed(stream)
        await feed.run(200)
        assert await store.keep(KeptVolatility(0, state), None)
        async with working(stream, store) as moves:
            assert look(moves, feed.time_ms).samples[0] == 39


async def test_a_state_of_another_stream_does_not_stop_it(redis_url: str) -> None:
    async with streams(redis_url) as (stream, store):
        feed = Feed(stream)
        newest = await feed.run(200)
        columns = VolatilityBook().kept(0)
        state = msgspec.json.encode({"markets": [], "columns": columns})
        assert await store.keep(KeptVolatility(newest + 1_000, state), None)
        async with working(stream, store) as moves:
            assert look(moves, feed.time_ms).samples[0] == 0
            kept = await store.load()
            assert kept is not None
            assert kept.market_id == newest


async def test_a_callers_own_word_goes_first(redis_url: str) -> None:
    async with streams(redis_url) as (stream, store):
        moves = MarketMoves(stream, MarketFollower(stream), store)
        assert look(moves, 0).volatility.state.tolist() == [TOO_FEW_MARKS] * 3
        own = {ETH: VolatilityDocument(diffusion_per_sqrt_s=1e-4, jumps_per_s=1e-5, jump_mean=0.01)}
        found = moves.look(KEYS, 0, own)
        assert found.given == [False, False, True]
        assert found.volatility.state.tolist() == [TOO_FEW_MARKS, TOO_FEW_MARKS, KNOWN]
        assert found.volatility.jump_mean[2] == 0.01


async def test_only_who_goes_on_from_what_is_there_may_write(redis_url: str) -> None:
    async with streams(redis_url) as (_, store):
        assert await store.load() is None
        assert await store.keep(KeptVolatility(5, b"a"), None)
        assert not await store.keep(KeptVolatility(6, b"b"), None)
        assert not await store.keep(KeptVolatility(6, b"b"), 4)
        assert await store.keep(KeptVolatility(6, b"b"), 5)
        assert await store.load() == KeptVolatility(6, b"b")
        assert await store.kept_id() == 6
