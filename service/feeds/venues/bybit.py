"""Bybit: a ticker a contract, whole at first, then only what has changed, within 100 ms.

Linear and inverse contracts are two lines. The contracts are listed by
`/v5/market/instruments-info`, page by page; the topics of a connection may have 21,000 characters
together. The server wants a ping every 20 seconds.
"""

from collections.abc import Iterable
from functools import partial
from typing import Literal

import msgspec
from msgspec import Struct

from service.feeds.intake import Activity, Figure, Intake
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

TOPICS_MAX_CHARACTERS = 21_000
TOPICS_A_REQUEST = 100
PAGES_MAX = 20


class _Ticker(Struct, rename="camel"):
    symbol: str = ""
    mark_price: Figure = None
    index_price: Figure = None
    last_price: Figure = None
    funding_rate: Figure = None
    open_interest: Figure = None
    open_interest_value: Figure = None
    volume: Figure = msgspec.field(name="volume24h", default=None)
    turnover: Figure = msgspec.field(name="turnover24h", default=None)

    def activity(self, *, is_linear: bool) -> Activity:
        """Return it in the base coin: an inverse contract is one of dollars, its value in coins."""
        if is_linear:
            return Activity(self.open_interest, self.volume)
        return Activity(self.open_interest_value, self.turnover)


class _Frame(Struct):
    """A ticker, or the answer to a request."""

    topic: str = ""
    type: str = ""
    ts: int | None = None
    data: _Ticker | None = None
    success: bool = True
    ret_msg: str = ""


class _Listed(Struct, rename="camel"):
    symbol: str
    contract_type: str
    base_coin: str
    quote_coin: str
    settle_coin: str
    status: str = ""

    def contract(self) -> Contract:
        assets = (self.base_coin, self.quote_coin, self.settle_coin)
        return Contract(self.symbol, *assets, not self.contract_type.endswith("Perpetual"))


class _Page(Struct, rename="camel"):
    list: list[_Listed]
    next_page_cursor: str = ""


class _Answer(Struct):
    result: _Page


_KEPT = tuple(name for name in _Ticker.__struct_fields__ if name != "symbol")
_frames = msgspec.json.Decoder(_Frame)
_answers = msgspec.json.Decoder(_Answer)


class BybitTalk:
    """Keeps each ticker as a whole: what a delta does not have has not changed."""

    def __init__(self, intake: Intake, markets: Markets) -> None:
        self._intake = intake
        self._markets = markets
        self._tickers: dict[str, _Ticker] = {}

    def opening(self) -> Iterable[str]:
        topics = [f"tickers.{market}" for market in self._markets]
        return [
            said({"op": "subscribe", "args": some}) for some in chunks(topics, TOPICS_A_REQUEST)
        ]

    def hear(self, raw: str | bytes) -> Iterable[str]:
        frame = _frames.decode(raw)
        if not frame.success:
            raise Rejected(frame.ret_msg)
        symbol = self._markets.get(frame.data.symbol) if frame.data is not None else None
        if frame.data is None or symbol is None:
            return ()
        ticker = self._whole(frame.type, frame.data)
        if ticker is not None:
            self._intake.take(
                symbol,
                ticker.mark_price,
                index=ticker.index_price,
                last=ticker.last_price,
                funding=ticker.funding_rate,
                activity=ticker.activity(is_linear="/USD:" not in symbol),
                time_ms=frame.ts,
            )
        return ()

    def _whole(self, kind: str, told: _Ticker) -> _Ticker | None:
        """Return the ticker with what was told before; None for a delta of what we do not have."""
        if kind == "snapshot":
            self._tickers[told.symbol] = told
            return told
        known = self._tickers.get(told.symbol)
        if known is None:
            self._intake.refuse("delta_of_nothing")
            return None
        for name in _KEPT:
            value = getattr(told, name)
            if value is not None:
                setattr(known, name, value)
        return known


async def _markets(get: Get, intake: Intake, *, category: Literal["linear", "inverse"]) -> Markets:
    found: dict[str, str] = {}
    path = f"/v5/market/instruments-info?category={category}&limit=1000"
    cursor = ""
    for _ in range(PAGES_MAX):
        page = _answers.decode(await get(f"{path}&cursor={cursor}" if cursor else path)).result
        trading = (one.contract() for one in page.list if one.status in ("", "Trading"))
        found |= named(trading, intake)
        cursor = page.next_page_cursor
        if not cursor:
            break
    return _within(found, intake)


def _within(markets: dict[str, str], intake: Intake) -> Markets:
    """Return as many markets as one connection may have the topics of."""
    characters, within = 0, {}
    for market, symbol in markets.items():
        characters += len(f'"tickers.{market}",')
        if characters > TOPICS_MAX_CHARACTERS:
            intake.leave_out(market, "beyond_limit")
        else:
            within[market] = symbol
    return within


def _line(category: Literal["linear", "inverse"]) -> Line:
    return Line(
        category,
        f"wss://stream.bybit.com/v5/public/{category}",
        BybitTalk,
        silent_after_s=10.0,
        ping=said({"op": "ping"}),
        ping_every_s=20.0,
        list_url="https://api.bybit.com",
        markets=partial(_markets, category=category),
        renew_after_s=4 * 3_600.0,
    )


BYBIT = VenueFeed("bybit", "bybit", (_line("linear"), _line("inverse")))
