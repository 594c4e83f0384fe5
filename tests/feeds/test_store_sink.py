"""Marks straight into the stream of a real server: in order, through an outage, each once."""

import asyncio

import pytest

from service.errors import StoreUnavailable
from service.feeds.intake import ClockRules, Intake
from service.feeds.store_sink import StoreSink
from service.feeds.tape import MarkDoc
from service.store.client import Client, connect
from service.store.market_stream import Gate, MarketStream
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio


def marks(prices: range) -> list[MarkDoc]:
    return [
        {"venue": "binance", "symbol": "BTC/USDT:USDT", "markPrice": price, "timestamp": price}
        for price in prices
    ]


async def stored(client: Client) -> list[str]:
    entries = await MarketStream(client).read(0)
    return [entry.payload.decode() for entry in entries if entry.kind == "m"]


async def test_marks_arrive_in_order_and_refusals_are_named(redis_url: str) -> None:
    async with connect(redis_url) as client:
        sink = StoreSink(MarketStream(client), give_up_after_s=5.0)

        assert await sink.send(marks(range(1, 4))) == [None, None, None]
        assert await sink.send(marks(range(2, 5))) == ["stale_timestamp", None, None]
        assert len(await stored(client)) == 5


@pytest.mark.parametrize("stamp", [False, True])
async def test_by_the_sources_time_a_frame_without_one_counts_from_its_receipt(
    redis_url: str, stamp: bool
) -> None:
    async with connect(redis_url) as client:
        sink = StoreSink(MarketStream(client, Gate("source")), give_up_after_s=5.0)
        intake = Intake("hyperliquid", ClockRules(stamp=stamp), now_ms=lambda: 1_700_000_000_000)
        intake.begin_frame()
        intake.take("BTC/USDC:USDC", "100")
        told = await sink.send(intake.drain())
        assert told == ([None] if stamp else ["timestamp_required"])
        times = [
            entry.event_time_ms for entry in await MarketStream(client).read(0) if entry.kind == "m"
        ]
        assert times == [1_700_000_000_000] * stamp


async def test_an_outage_is_waited_out_and_nothing_is_twice(valkey: AnyServer) -> None:
    async with connect(valkey.url, timeout_s=1.0) as client:
        sink = StoreSink(MarketStream(client), give_up_after_s=20.0)
        await sink.send(marks(range(1, 3)))
        valkey.kill()
        sending = asyncio.create_task(sink.send(marks(range(3, 6))))
        await asyncio.to_thread(valkey.start)

        assert await sending == [None, None, None]
        assert len(await stored(client)) == 5


async def test_a_long_outage_is_given_up(valkey: AnyServer) -> None:
    async with connect(valkey.url, timeout_s=1.0) as client:
        sink = StoreSink(MarketStream(client), give_up_after_s=0.2)
        valkey.kill()
        with pytest.raises(StoreUnavailable):
            await sink.send(marks(range(1, 2)))
