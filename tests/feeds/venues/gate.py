"""Gate's frames as ccxt asks for them: `futures.tickers`, a list of tickers; no time in them."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import orjson

from tests.feeds.venues.mock import Quote, Session


class GateDialect:
    """Linear perpetuals, settled in USDT."""

    has_time = False

    def __init__(self, count: int) -> None:
        self.markets: Sequence[str] = [f"C{number}_USDT" for number in range(count)]
        self.rest_price = "7"
        self.rest = True

    def symbol(self, market: str) -> str:
        return f"{market.split('_', maxsplit=1)[0]}/USDT:USDT"

    def listing(self, path: str) -> bytes | None:
        place = urlsplit(path).path
        if place == "/api/v4/futures/usdt/contracts":
            return orjson.dumps([self._contract(market) for market in self.markets])
        if place == "/api/v4/futures/btc/contracts":
            return b"[]"
        market = place.removeprefix("/api/v4/futures/usdt/contracts/")
        return (
            orjson.dumps(self._contract(market)) if self.rest and market in self.markets else None
        )

    def _contract(self, market: str) -> dict[str, object]:
        return {
            "name": market,
            "type": "direct",
            "quanto_multiplier": "1",
            "mark_price": self.rest_price,
            "index_price": self.rest_price,
            "funding_rate": "0.0001",
            "funding_next_apply": 1_705_046_400,
            "funding_interval": 28_800,
            "mark_price_round": "0.00000001",
            "order_price_round": "0.0001",
            "order_size_min": 1,
            "order_size_max": 1_000_000,
            "leverage_max": "50",
            "leverage_min": "1",
            "maintenance_rate": "0.01",
            "risk_limit_base": "1000",
            "in_delisting": False,
        }

    def opened(self, _session: Session) -> Iterable[str]:
        return ()

    def answer(self, session: Session, text: str) -> Iterable[str]:
        message = orjson.loads(text)
        if message.get("event") == "subscribe":
            session.wanted |= set(message["payload"])
        done = {"status": "success"}
        return [orjson.dumps({**message, "error": None, "result": done}).decode()]

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        for quote in quotes:
            if quote.market in session.wanted:
                row = {"contract": quote.market, "last": quote.price, "mark_price": quote.price}
                row |= {"index_price": quote.price, "funding_rate": "-0.000114"}
                frame = {"channel": "futures.tickers", "event": "update", "result": [row]}
                yield orjson.dumps({"time": quote.time_ms // 1_000, **frame}).decode()
