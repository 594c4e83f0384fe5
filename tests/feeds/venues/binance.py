"""Binance's frames: `!markPrice@arr@1s` of USD-M, `<symbol>@markPrice@1s` of COIN-M."""

from collections.abc import Iterable, Sequence

import orjson

from tests.feeds.venues.mock import Quote, Session


class BinanceDialect:
    """Half of the markets are USD-M, half COIN-M, of which a connection has at most 200.

    Each has one that ends, and USD-M one without a name.
    """

    has_time = True

    def __init__(self, count: int) -> None:
        inverse = min(count // 2, 200)
        coins = [f"C{number}" for number in range(count - inverse)]
        self._usd = [f"{coin}USDT" for coin in coins]
        self._coin = [f"{coin}USD_PERP" for coin in coins[:inverse]]
        self.markets: Sequence[str] = [*self._usd, *self._coin]

    def symbol(self, market: str) -> str:
        coin = market.split("USD", maxsplit=1)[0]
        linear = f"{coin}/USDT:USDT"
        return f"{coin}/USD:{coin}" if market.endswith("_PERP") else linear

    def listing(self, path: str) -> bytes | None:
        if path != "/dapi/v1/exchangeInfo":
            return None
        rows = [(market, "PERPETUAL") for market in self._coin]
        rows.append(("BTCUSD_270326", "CURRENT_QUARTER"))
        return orjson.dumps(
            {
                "symbols": [
                    {
                        "symbol": market,
                        "pair": market.split("_")[0],
                        "contractType": kind,
                        "baseAsset": market.split("USD")[0],
                        "quoteAsset": "USD",
                        "marginAsset": market.split("USD")[0],
                    }
                    for market, kind in rows
                ]
            }
        )

    def opened(self, session: Session) -> Iterable[str]:
        if session.path == "/market/ws/!markPrice@arr@1s":
            session.wanted |= set(self._usd)
        return ()

    def answer(self, session: Session, text: str) -> Iterable[str]:
        message = orjson.loads(text)
        assert message["method"] == "SUBSCRIBE"
        assert session.path == "/ws"
        session.wanted |= {stream.split("@")[0].upper() for stream in message["params"]}
        return [_json({"result": None, "id": message["id"]})]

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        updates = [_update(quote) for quote in quotes if quote.market in session.wanted]
        if session.path == "/ws":
            return [_json(update) for update in updates]
        others = [_update(Quote(name, "1.5", 1)) for name in ("BTCUSDT_270326", "BTCWHAT")]
        return [_json([*updates, *others])] if updates else []


def _update(quote: Quote) -> dict[str, object]:
    return {
        "e": "markPriceUpdate",
        "E": quote.time_ms,
        "s": quote.market,
        "p": quote.price,
        "i": quote.price,
        "P": quote.price,
        "r": "0.00030000",
        "T": quote.time_ms + 3_600_000,
    }


def _json(document: object) -> str:
    return orjson.dumps(document).decode()
