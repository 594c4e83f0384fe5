"""ccxt's own classes against venues that none of our feeds has: gate and bitget, at the wire."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.feeds.ccxt_feed import CcxtFeed, roads, said
from service.feeds.connection import Origins, Pace
from tests.feeds.faults import Recorder, at_work, renewed, until
from tests.feeds.venues.bitget import BitgetDialect
from tests.feeds.venues.gate import GateDialect
from tests.feeds.venues.mock import Fault, MockVenue

pytest.importorskip("ccxt", reason="ccxt is not installed: it is an extra")
pytestmark = pytest.mark.anyio

DIALECTS: dict[str, type[GateDialect] | type[BitgetDialect]] = {
    "gate": GateDialect,
    "bitget": BitgetDialect,
}
CALM = Pace(flush_s=0.01, delay_first_s=0.02, delay_max_s=0.1, silent_after_s=6.0)
QUICK = Pace(flush_s=0.01, delay_first_s=0.02, delay_max_s=0.1, silent_after_s=0.6)


@asynccontextmanager
async def running(
    name: str, count: int = 3, symbols: tuple[str, ...] = (), pace: Pace = CALM
) -> AsyncIterator[tuple[MockVenue, CcxtFeed, Recorder]]:
    async with MockVenue(DIALECTS[name](count)).running() as venue:
        recorder = Recorder()
        origins = Origins(venue.origin, venue.origin.replace("ws", "http", 1))
        feed = CcxtFeed(f"ccxt:{name}", recorder, symbols, pace=pace, origins=origins)
        async with at_work(feed.run):
            yield venue, feed, recorder


@pytest.mark.parametrize("name", DIALECTS)
async def test_every_symbol_has_its_mark_and_no_symbol_starves(name: str) -> None:
    async with running(name, 12) as (venue, feed, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        before = min(recorder.updates.values())
        await until(lambda: min(recorder.updates.values()) >= before + 5)
        for symbol, price in venue.prices(0).items():
            mark = recorder.newest[symbol]
            assert mark["markPrice"] == pytest.approx(price, rel=1e-3)
            assert mark["indexPrice"] == mark["lastPrice"] == mark["markPrice"]
            assert ("timestamp" in mark) is venue.dialect.has_time
        assert feed.figures().lines_open == feed.figures().lines == 12
        assert (feed.figures().reconnects, feed.figures().refused) == (0, {})


@pytest.mark.parametrize(
    ("name", "fault", "reason"),
    [
        ("gate", "zero", "not_a_price"),
        ("gate", "NaN", "not_a_price"),
        ("bitget", "NaN", "not_a_price"),
        ("bitget", "clock ahead", "clock_ahead"),
        ("bitget", "slow", "too_old"),
    ],
)
async def test_what_is_wrong_is_refused_and_the_rest_goes_on(
    name: str, fault: Fault, reason: str
) -> None:
    async with running(name) as (venue, feed, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        venue.fault = fault
        await until(lambda: feed.intake.refused[reason] > 3)
        venue.fault = "none"
        await renewed(recorder)
        assert set(feed.intake.refused) == {reason}
        assert recorder.backwards == 0
        for symbol, price in venue.prices(0).items():
            assert recorder.newest[symbol]["markPrice"] == pytest.approx(price, rel=1e-3)


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_cut_is_got_over(name: str) -> None:
    async with running(name) as (venue, _, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        venue.cut()
        await renewed(recorder, 4)


async def test_a_silent_stream_is_made_up_for_by_rest() -> None:
    async with running("gate", pace=QUICK) as (venue, feed, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        venue.mute()
        await until(lambda: {mark["markPrice"] for mark in recorder.newest.values()} == {7.0})
        assert feed.figures().reconnects == 0


async def test_a_venue_that_says_nothing_at_all_is_begun_anew() -> None:
    async with running("gate", pace=QUICK) as (venue, feed, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        assert isinstance(venue.dialect, GateDialect)
        venue.dialect.rest = False
        venue.mute()
        connected = venue.connected
        await until(lambda: venue.connected > connected)
        await renewed(recorder)
        assert feed.figures().reconnects >= 1


async def test_only_named_symbols_are_watched_and_unlisted_ones_are_told() -> None:
    asked = ("C1/USDT:USDT", "NONE/USDT:USDT")
    async with running("gate", symbols=asked) as (_, feed, recorder):
        await until(lambda: bool(recorder.newest))
        assert feed.figures().left_out == {"not_listed": 1}
        assert set(recorder.newest) == {"C1/USDT:USDT"}


class Has:
    """Of ccxt's object what `roads` looks at."""

    def __init__(self, **has: object) -> None:
        self.has = has

    def __getattr__(self, name: str) -> str:
        return name


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"watchMarkPrice": True, "watchTicker": True}, ("watch_mark_price", None)),
        ({"watchTicker": True, "fetchMarkPrice": True}, ("watch_ticker", "fetch_mark_price")),
        ({"fetchFundingRate": "emulated"}, (None, "fetch_funding_rate")),
        ({"watchTicker": False, "fetchTicker": True}, (None, "fetch_ticker")),
        ({}, (None, None)),
    ],
)
def test_the_best_road_to_a_mark_is_taken(
    has: dict[str, object], expected: tuple[str | None, str | None]
) -> None:
    assert roads(Has(**has)) == expected


def test_a_last_price_is_no_mark() -> None:
    names = ("markPrice", "mark_price")
    assert said({"last": 5.0, "markPrice": None, "info": {"last": "5"}}, names) is None
    assert said({"markPrice": None, "info": {"mark_price": "6"}}, names) == "6"
    assert said({"markPrice": 7.0, "info": {"mark_price": "6"}}, names) == 7.0
    assert said({"markPrice": True, "info": []}, names) is None
