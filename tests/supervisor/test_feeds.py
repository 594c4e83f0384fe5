"""The feed process over a real store: marks in the stream, an outage, what it says of itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from pydantic import ValidationError

from service.contract.feeds import FeedFigures
from service.errors import InvalidInput
from service.settings import Settings
from service.store import keys
from service.store.client import Client, connect
from service.store.health import members
from service.store.market_stream import MarketStream
from service.supervisor.feeds import run_feeds
from service.supervisor.serve import environment_of
from tests.feeds.faults import until
from tests.feeds.venues.binance import BinanceDialect
from tests.feeds.venues.mock import MockVenue
from tests.feeds.venues.okx import OkxDialect
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

POLL_S = 0.02


@asynccontextmanager
async def feeding(redis_url: str) -> AsyncIterator[tuple[MockVenue, MockVenue]]:
    """Run the feeds of two venues into a store."""
    async with (
        MockVenue(BinanceDialect(6)).running() as binance,
        MockVenue(OkxDialect(5)).running() as okx,
    ):
        settings = Settings.model_validate(
            {
                "redis_url": redis_url,
                "feeds": "binance, okx",
                "feed_urls": {"binance": binance.origin, "okx": okx.origin},
            }
        )
        work = asyncio.create_task(run_feeds(settings))
        try:
            yield binance, okx
        finally:
            work.cancel()
            await asyncio.wait([work])


async def newest(client: Client) -> dict[tuple[str, str], int]:
    marks = await MarketStream(client).newest()
    return {(mark.venue, mark.symbol): mark.market_id for mark in marks}


async def all_newer(client: Client, names: set[tuple[str, str]], than: int) -> None:
    async with asyncio.timeout(20.0):
        while True:  # polled: the store has no event for it
            marks = await newest(client)
            if set(marks) == names and min(marks.values()) > than:
                return
            await asyncio.sleep(POLL_S)


async def figures(client: Client) -> dict[str, FeedFigures]:
    async with asyncio.timeout(10.0):
        while True:  # polled, as above
            told = await members(client, keys.FEEDS)
            if told:
                break
            await asyncio.sleep(POLL_S)
    (report,) = told.values()
    return msgspec.json.decode(report, type=dict[str, FeedFigures])


async def test_marks_of_two_venues_are_in_the_stream_under_their_names(redis_url: str) -> None:
    async with feeding(redis_url) as (binance, okx), connect(redis_url) as client:
        names = {("binance", symbol) for symbol in binance.prices(0)}
        names |= {("okx", symbol) for symbol in okx.prices(0)}
        await all_newer(client, names, 0)
        assert set(await figures(client)) == {"binance", "okx"}


async def test_after_an_outage_of_the_store_marks_go_on_and_old_ones_stay_away(
    valkey: AnyServer,
) -> None:
    async with feeding(valkey.url) as (_, okx), connect(valkey.url) as client:
        names = {("okx", symbol) for symbol in okx.prices(0)}
        binance = {("binance", f"C{n}/{q}") for n in range(3) for q in ("USDT:USDT", f"USD:C{n}")}
        await all_newer(client, names | binance, 0)
        valkey.kill()
        at_the_kill = okx.tick
        await until(lambda: okx.tick > at_the_kill + 50)
        await asyncio.to_thread(valkey.start)
        tail, _ = await MarketStream(client).tail()
        await all_newer(client, names | binance, tail + 100)


async def test_without_a_store_or_a_venue_it_says_what_is_missing() -> None:
    with pytest.raises(InvalidInput, match="--redis-url"):
        await run_feeds(Settings.model_validate({"feeds": "okx"}))
    with pytest.raises(InvalidInput, match="PLIMSOLL_FEEDS: binance, bybit, okx"):
        await run_feeds(Settings.model_validate({"redis_url": "redis://127.0.0.1:1"}))


def test_feeds_are_named_with_commas_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIMSOLL_FEEDS", "okx, binance,okx,")
    monkeypatch.setenv("PLIMSOLL_FEED_URLS", '{"okx":"ws://127.0.0.1:9"}')
    settings = Settings()
    assert settings.feeds == ("okx", "binance")
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
    with pytest.raises(ValidationError, match="nasdaq"):
        Settings.model_validate({"feeds": "okx,nasdaq"})
