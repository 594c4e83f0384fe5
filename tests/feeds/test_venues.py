"""What each venue's frames become, how each is kept alive, and what is left out."""

import asyncio
import dataclasses

import pytest

from service.feeds.catalogue import FEEDS
from service.feeds.connection import Origins, Pace, delay_s
from service.feeds.intake import Intake
from service.feeds.symbols import perpetual
from service.feeds.venue import FeedName, Rejected
from service.feeds.venues.bybit import BybitTalk
from service.feeds.venues.okx import OkxTalk
from tests.feeds.faults import DIALECTS, PACE, running, until

pytestmark = pytest.mark.anyio

ACTIVITY = {"openInterest", "dayVolume"}
EXTRA: dict[FeedName, set[str]] = {
    "binance": {"indexPrice", "fundingRate", "timestamp"},
    "bybit": {"indexPrice", "lastPrice", "fundingRate", "timestamp", *ACTIVITY},
    "okx": {"indexPrice", "fundingRate", "timestamp"},
    "hyperliquid": {"indexPrice", "fundingRate", *ACTIVITY},
    "deribit": {"indexPrice", "lastPrice", "fundingRate", "timestamp", *ACTIVITY},
    "krakenfutures": {"indexPrice", "lastPrice", "fundingRate", "timestamp", *ACTIVITY},
}
LEFT_OUT: dict[FeedName, dict[str, int]] = {
    "binance": {"not_perpetual": 2, "not_named": 1},
    "bybit": {"not_perpetual": 1},
    "okx": {"not_named": 1},
    "hyperliquid": {},
    "deribit": {"not_perpetual": 1},
    "krakenfutures": {"not_perpetual": 1},
}
PINGS = {"bybit": '{"op":"ping"}', "okx": "ping", "hyperliquid": '{"method":"ping"}'}


@pytest.mark.parametrize("name", FEEDS)
async def test_marks_have_unified_names_and_what_the_frames_have(name: FeedName) -> None:
    async with running(name, 4) as (venue, feed, recorder):
        await until(lambda: set(recorder.newest) == set(venue.prices(0)))
        await until(lambda: feed.figures().left_out == LEFT_OUT[name])
        # The index comes on a channel of its own at okx, after the first marks perhaps.
        wanted = {"venue", "symbol", "markPrice", *EXTRA[name]}
        # Of krakenfutures' inverse contracts there is no volume in coins (test_activity.py).
        optional = {"dayVolume"} if name == "krakenfutures" else set()
        await until(
            lambda: all(
                wanted - optional <= set(mark) <= wanted for mark in recorder.newest.values()
            )
        )
        assert {mark["venue"] for mark in recorder.newest.values()} == {FEEDS[name].venue}
        offset_ms = feed.figures().clock_offset_ms
        assert offset_ms is None or 0 <= offset_ms < 2_000


@pytest.mark.parametrize("name", PINGS)
async def test_a_venue_hears_its_ping_again_and_again(name: FeedName) -> None:
    async with running(name, 4, ping_s=0.05) as (venue, feed, _):
        await until(
            lambda: (
                len(venue.sessions) == len(FEEDS[name].lines)
                and all(session.said.count(PINGS[name]) >= 3 for session in venue.sessions)
            )
        )
        assert feed.figures().reconnects == 0
        assert not feed.intake.refused


async def test_a_test_request_of_deribit_is_answered() -> None:
    async with running("deribit", 2) as (venue, _, _):
        await until(lambda: bool(venue.sessions))
        await until(lambda: any("public/test" in text for text in venue.sessions[0].said))


async def test_what_the_venue_refuses_is_counted_and_the_line_goes_on() -> None:
    intake = Intake("okx")
    with pytest.raises(Rejected, match="no such channel"):
        OkxTalk(intake, {}).hear('{"event":"error","code":"60018","msg":"no such channel"}')
    with pytest.raises(Rejected, match="Invalid symbol"):
        BybitTalk(intake, {}).hear('{"success":false,"ret_msg":"Invalid symbol","op":"subscribe"}')


async def test_a_delta_without_its_snapshot_is_no_mark() -> None:
    intake = Intake("bybit")
    talk = BybitTalk(intake, {"BTCUSDT": "BTC/USDT:USDT"})
    delta = '{"topic":"tickers.BTCUSDT","type":"delta","ts":%d,"data":{"symbol":"BTCUSDT",%s}}'
    talk.hear(delta % (1, '"markPrice":"5"'))
    assert (intake.drain(), intake.refused) == ([], {"delta_of_nothing": 1})


async def test_a_delta_that_moves_only_the_last_price_keeps_the_mark() -> None:
    intake = Intake("bybit", now_ms=lambda: 10)
    talk = BybitTalk(intake, {"BTCUSDT": "BTC/USDT:USDT"})
    frame = '{"topic":"tickers.BTCUSDT","type":"%s","ts":%d,"data":{"symbol":"BTCUSDT",%s}}'
    intake.begin_frame()
    talk.hear(frame % ("snapshot", 1, '"markPrice":"5","lastPrice":"6"'))
    talk.hear(frame % ("delta", 2, '"lastPrice":"7"'))
    (mark,) = intake.drain()
    assert (mark["markPrice"], mark["lastPrice"], mark["timestamp"]) == (5.0, 7.0, 2)
    assert intake.conflated == 1


@pytest.mark.parametrize(
    ("assets", "symbol"),
    [
        (("btc", "USDT", "USDT"), "BTC/USDT:USDT"),
        (("BTC", "USD", "BTC"), "BTC/USD:BTC"),
        (("1000PEPE", "USDC", "USDC"), "1000PEPE/USDC:USDC"),
        (("ETH", "USD", "BTC"), None),  # a quanto contract
        (("BTC", "BTC", "BTC"), None),
        (("", "USDT", "USDT"), None),
        (("A/B", "USDT", "USDT"), None),
        (("A|B", "USDT", "USDT"), None),
        (("X" * 54, "USDT", "USDT"), "X" * 54 + "/USDT:USDT"),
        (("X" * 55, "USDT", "USDT"), None),
    ],
)
def test_a_contract_has_its_exact_name_or_none(
    assets: tuple[str, str, str], symbol: str | None
) -> None:
    assert perpetual(*assets) == symbol


@pytest.mark.parametrize("name", FEEDS)
def test_other_hosts_keep_the_paths(name: FeedName) -> None:
    for line in FEEDS[name].lines:
        assert Origins().of(line) == (line.url, line.list_url)
        stream, listing = Origins("ws://a:1/").of(line)
        assert stream.startswith("ws://a:1/")
        assert line.url.endswith(stream.removeprefix("ws://a:1"))
        assert listing in (None, "http://a:1")
        assert Origins("wss://a", "https://b").of(line)[1] in (None, "https://b")


@pytest.mark.parametrize(
    ("failures", "bound_s"), [(0, 0.5), (1, 1.0), (5, 16.0), (6, 30.0), (10**6, 30.0)]
)
def test_waits_have_full_jitter_and_a_bound_that_doubles(failures: int, bound_s: float) -> None:
    waits = [delay_s(Pace(), failures) for _ in range(2_000)]
    assert 0.0 <= min(waits) < 0.1 * bound_s
    assert 0.9 * bound_s < max(waits) <= bound_s


async def test_a_venue_that_says_nothing_is_tried_again_and_again() -> None:
    pace = dataclasses.replace(PACE, open_within_s=0.5, silent_after_s=0.1)
    async with running("okx", 2, pace) as (venue, feed, _):
        venue.dialect.markets = []  # it lists nothing: connected, asked, silent
        await until(lambda: feed.figures().reconnects >= 3)
        assert venue.connected >= 3


async def test_a_list_that_cannot_be_had_is_a_loss_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialect = DIALECTS["krakenfutures"]
    async with running("krakenfutures", 2) as (venue, feed, recorder):
        monkeypatch.setattr(venue.dialect, "listing", lambda _path: None)
        venue.cut()
        await until(lambda: feed.figures().reconnects >= 2)
        monkeypatch.setattr(venue.dialect, "listing", dialect(2).listing)
        seen = dict(recorder.updates)
        await until(
            lambda: all(recorder.updates[one] > seen.get(one, 0) for one in venue.prices(0))
        )
        await asyncio.sleep(0)
