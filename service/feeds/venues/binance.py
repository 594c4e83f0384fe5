"""Binance: the marks of all USD-M contracts each second in one frame, COIN-M a frame a contract.

USD-M has a stream of all markets, `!markPrice@arr@1s`, on the road for market data (`/market`: on
the old road a connection stands and stays silent). COIN-M has none: its contracts are listed by
`/dapi/v1/exchangeInfo` and subscribed to together, at most 200 on a connection. The server pings
every few minutes, which the WebSocket library answers, and ends each connection after 24 hours.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from service.feeds.intake import Figure, Intake
from service.feeds.venue import Contract, Get, Line, Markets, VenueFeed, named, said

STREAMS_MAX = 200
_QUOTES = ("USDT", "USDC", "BUSD", "BTC")  # what USD-M contracts are quoted in and settle in


class _Update(Struct):
    """A `markPriceUpdate`; an answer to a request has none of this."""

    symbol: str = msgspec.field(name="s", default="")
    time_ms: int | None = msgspec.field(name="E", default=None)
    mark: Figure = msgspec.field(name="p", default=None)
    index: Figure = msgspec.field(name="i", default=None)
    funding: Figure = msgspec.field(name="r", default=None)


class _Listed(Struct, rename="camel"):
    symbol: str
    contract_type: str
    base_asset: str
    quote_asset: str
    margin_asset: str

    def contract(self) -> Contract:
        assets = (self.base_asset, self.quote_asset, self.margin_asset)
        return Contract(self.symbol, *assets, self.contract_type != "PERPETUAL")


class _List(Struct):
    symbols: list[_Listed]


_updates = msgspec.json.Decoder(list[_Update] | _Update)
_lists = msgspec.json.Decoder(_List)


class BinanceTalk:
    """Says what it wants of COIN-M, nothing on USD-M, where the address says it."""

    def __init__(self, intake: Intake, markets: Markets, *, by_name: bool) -> None:
        self._intake = intake
        self._symbols: dict[str, str | None] = dict(markets)
        self._by_name = by_name

    def opening(self) -> Iterable[str]:
        streams = [f"{market.lower()}@markPrice@1s" for market in self._symbols]
        return [said({"method": "SUBSCRIBE", "params": streams, "id": 1})] if streams else []

    def hear(self, raw: str | bytes) -> Iterable[str]:
        heard = _updates.decode(raw)
        symbols, take = self._symbols, self._intake.take
        for update in heard if isinstance(heard, list) else (heard,):
            market = update.symbol
            symbol = symbols[market] if market in symbols else self._learn(market)
            if symbol is not None:
                take(
                    symbol,
                    update.mark,
                    index=update.index,
                    funding=update.funding,
                    time_ms=update.time_ms,
                )
        return ()

    def _learn(self, market: str) -> str | None:
        """Return the symbol of a market not seen before; an answer to a request has none."""
        self._symbols[market] = self._named(market) if self._by_name and market else None
        return self._symbols[market]

    def _named(self, market: str) -> str | None:
        """Name a USD-M contract: `BTCUSDT` is a perpetual, `BTCUSDT_260327` has an end."""
        quote = next((one for one in _QUOTES if market.endswith(one)), "")
        contract = Contract(market, market.removesuffix(quote), quote, quote, "_" in market)
        return named([contract], self._intake).get(market)


def _usd_m(intake: Intake, markets: Markets) -> BinanceTalk:
    return BinanceTalk(intake, markets, by_name=True)


def _coin_m(intake: Intake, markets: Markets) -> BinanceTalk:
    return BinanceTalk(intake, markets, by_name=False)


async def _coin_m_markets(get: Get, intake: Intake) -> Markets:
    listed = _lists.decode(await get("/dapi/v1/exchangeInfo")).symbols
    return named((one.contract() for one in listed), intake, STREAMS_MAX)


BINANCE = VenueFeed(
    "binance",
    "binance",
    (
        Line(
            "usd-m",
            "wss://fstream.binance.com/market/ws/!markPrice@arr@1s",
            _usd_m,
            silent_after_s=10.0,
        ),
        Line(
            "coin-m",
            "wss://dstream.binance.com/ws",
            _coin_m,
            silent_after_s=10.0,
            list_url="https://dapi.binance.com",
            markets=_coin_m_markets,
            renew_after_s=4 * 3_600.0,
        ),
    ),
)
