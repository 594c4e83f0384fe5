"""Kraken Futures: a ticker a contract, each second, on one connection.

The contracts are listed by `/derivatives/api/v3/instruments`: `PF_` are linear and settle in USD,
`PI_` are inverse. The server wants a ping of the WebSocket's own within 60 s, which the library
sends.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from service.feeds.intake import Activity, Figure, Intake, in_coins
from service.feeds.venue import (
    Contract,
    Get,
    Line,
    Markets,
    Rejected,
    VenueFeed,
    chunks,
    named,
    said,
)

PRODUCTS_A_REQUEST = 100
_NAMES = {"XBT": "BTC", "XDG": "DOGE"}  # Kraken's own names of assets
_QUOTE = "USD"
_KINDS = ("PF", "PI")  # perpetual, linear and inverse; the others have an end


class _Frame(Struct):
    """A ticker, or with an `event` what the venue says to a request."""

    feed: str = ""
    event: str = ""
    message: str = ""
    product_id: str = ""
    time: int | None = None
    mark: Figure = msgspec.field(name="markPrice", default=None)
    index: Figure = None
    last: Figure = None
    relative_funding_rate: Figure = None
    open_interest: Figure = msgspec.field(name="openInterest", default=None)
    volume: Figure = None

    def activity(self) -> Activity:
        """Return it in the base coin: inverse contracts are of one dollar, and at which prices
        those of a day were traded is not told."""
        if self.product_id.upper().startswith("PI_"):
            return Activity(in_coins(self.open_interest, self.mark))
        return Activity(self.open_interest, self.volume)


class _Instrument(Struct):
    symbol: str
    tradeable: bool = True

    def contract(self) -> Contract:
        market = self.symbol.upper()
        kind, _, pair = market.partition("_")
        quote = _QUOTE if pair.endswith(_QUOTE) else ""
        base = pair.removesuffix(_QUOTE)
        base = _NAMES.get(base, base)
        return Contract(market, base, quote, quote if kind == "PF" else base, kind not in _KINDS)


class _Instruments(Struct):
    instruments: list[_Instrument]


_frames = msgspec.json.Decoder(_Frame)
_instruments = msgspec.json.Decoder(_Instruments)


class KrakenFuturesTalk:
    """Asks for the tickers of the listed contracts."""

    def __init__(self, intake: Intake, markets: Markets) -> None:
        self._intake = intake
        self._markets = markets

    def opening(self) -> Iterable[str]:
        return [
            said({"event": "subscribe", "feed": "ticker", "product_ids": some})
            for some in chunks(list(self._markets), PRODUCTS_A_REQUEST)
        ]

    def hear(self, raw: str | bytes) -> Iterable[str]:
        frame = _frames.decode(raw)
        if frame.event in ("error", "alert", "subscribed_failed"):
            raise Rejected(frame.message or frame.event)
        symbol = self._markets.get(frame.product_id)
        if frame.feed == "ticker" and not frame.event and symbol is not None:
            self._intake.take(
                symbol,
                frame.mark,
                index=frame.index,
                last=frame.last,
                funding=frame.relative_funding_rate,
                activity=frame.activity(),
                time_ms=frame.time,
            )
        return ()


async def _markets(get: Get, intake: Intake) -> Markets:
    listed = _instruments.decode(await get("/derivatives/api/v3/instruments")).instruments
    return named((one.contract() for one in listed if one.tradeable), intake)


KRAKENFUTURES = VenueFeed(
    "krakenfutures",
    "krakenfutures",
    (
        Line(
            "perpetuals",
            "wss://futures.kraken.com/ws/v1",
            KrakenFuturesTalk,
            silent_after_s=15.0,
            list_url="https://futures.kraken.com",
            markets=_markets,
            renew_after_s=4 * 3_600.0,
        ),
    ),
)
