"""Open interest and volume of a day, in the base coin, of the venues whose frames have them."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from service.feeds.intake import Activity, Intake
from service.feeds.tape import MarkDoc
from service.feeds.venue import Markets, Talk
from service.feeds.venues.bybit import BybitTalk
from service.feeds.venues.deribit import DeribitTalk
from service.feeds.venues.hyperliquid import HyperliquidTalk
from service.feeds.venues.krakenfutures import KrakenFuturesTalk

NOW_MS = 1_700_000_000_000
Told = tuple[float | None, float | None]


def heard(
    talk: Callable[[Intake, Markets], Talk], market: str, symbol: str, *frames: dict[str, Any]
) -> MarkDoc:
    """Return the mark that a talk makes of frames of one market."""
    intake = Intake("generic", now_ms=lambda: NOW_MS)
    conversation = talk(intake, {market: symbol})
    for frame in frames:
        intake.begin_frame()
        conversation.hear(orjson.dumps(frame))
    [mark] = intake.drain()
    return mark


def told(mark: MarkDoc) -> tuple[Any, Any]:
    return mark.get("openInterest"), mark.get("dayVolume")


def bybit(market: str, kind: str, **data: str) -> dict[str, Any]:
    data |= {"symbol": market}
    return {"topic": f"tickers.{market}", "type": kind, "ts": NOW_MS, "data": data}


@pytest.mark.parametrize(
    ("market", "symbol", "expected"),
    [("BTCUSDT", "BTC/USDT:USDT", (50.0, 7.0)), ("BTCUSD", "BTC/USD:BTC", (0.5, 0.07))],
)
def test_bybit_tells_contracts_of_a_coin_and_those_of_a_dollar_in_coins_too(
    market: str, symbol: str, expected: Told
) -> None:
    figures = {"openInterest": "50", "openInterestValue": "0.5"}
    volumes = {"volume24h": "7", "turnover24h": "0.07"}
    first = bybit(market, "snapshot", markPrice="100", **figures, **volumes)
    assert told(heard(BybitTalk, market, symbol, first)) == expected
    moved = bybit(market, "delta", openInterest="60", openInterestValue="0.6")
    interest = {50.0: 60.0, 0.5: 0.6}[expected[0] or 0.0]
    assert told(heard(BybitTalk, market, symbol, first, moved)) == (interest, expected[1])
    silent = bybit(market, "snapshot", markPrice="100")
    assert told(heard(BybitTalk, market, symbol, silent)) == (None, None)


@pytest.mark.parametrize(
    ("symbol", "expected"), [("BTC/USDC:USDC", (2_000.0, 3.0)), ("BTC/USD:BTC", (20.0, 3.0))]
)
def test_deribit_tells_the_interest_of_inverse_contracts_in_dollars(
    symbol: str, expected: Told
) -> None:
    data = {
        "instrument_name": "M",
        "timestamp": NOW_MS,
        "mark_price": 100,
        "open_interest": 2_000,
        "stats": {"volume": 3.0, "volume_usd": 300.0},
    }
    params = {"channel": "ticker.M.100ms", "data": data}
    frame = {"jsonrpc": "2.0", "method": "subscription", "params": params}
    assert told(heard(DeribitTalk, "M", symbol, frame)) == expected
    del data["open_interest"], data["stats"]
    assert told(heard(DeribitTalk, "M", symbol, frame)) == (None, None)


@pytest.mark.parametrize(
    ("market", "symbol", "expected"),
    [("PF_XBTUSD", "BTC/USD:USD", (2_000.0, 3.0)), ("PI_XBTUSD", "BTC/USD:BTC", (20.0, None))],
)
def test_kraken_counts_inverse_contracts_in_dollars(
    market: str, symbol: str, expected: Told
) -> None:
    frame = {"feed": "ticker", "product_id": market, "time": NOW_MS, "markPrice": 100}
    frame |= {"openInterest": 2_000, "volume": 3.0}
    assert told(heard(KrakenFuturesTalk, market, symbol, frame)) == expected


def test_hyperliquid_tells_both_in_coins() -> None:
    context = {"markPx": "100", "openInterest": "688.11", "dayBaseVlm": "12.5", "dayNtlVlm": "1250"}
    frame = {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": context}}
    assert told(heard(HyperliquidTalk, "BTC", "BTC/USDC:USDC", frame)) == (688.11, 12.5)


@pytest.mark.parametrize("figure", [None, "", "NaN", "inf", "-1", -0.5])
def test_what_is_no_amount_stays_away_and_the_mark_goes_out(figure: str | float | None) -> None:
    intake = Intake("generic", now_ms=lambda: NOW_MS)
    intake.begin_frame()
    intake.take("A/USDT:USDT", 5.0, activity=Activity(figure, 0), time_ms=NOW_MS)
    [mark] = intake.drain()
    assert (mark["markPrice"], *told(mark)) == (5.0, None, 0.0)
