"""Kraken Futures' frames: the feed `ticker` of products."""

from collections.abc import Iterable, Sequence

import orjson

from tests.feeds.venues.mock import Quote, Session


class KrakenFuturesDialect:
    """Every other market is inverse; bitcoin is XBT."""

    has_time = True

    def __init__(self, count: int) -> None:
        coins = ["XBT", *(f"C{number}" for number in range(1, count))]
        self.markets: Sequence[str] = [
            f"{'PI' if number % 2 else 'PF'}_{coin}USD" for number, coin in enumerate(coins)
        ]

    def symbol(self, market: str) -> str:
        base = market[3:].removesuffix("USD").replace("XBT", "BTC")
        return f"{base}/USD:{base if market.startswith('PI') else 'USD'}"

    def listing(self, path: str) -> bytes | None:
        if path != "/derivatives/api/v3/instruments":
            return None
        rows = [*self.markets, "FI_XBTUSD_270326"]
        instruments = [
            {"symbol": row, "type": "flexible_futures", "tradeable": True} for row in rows
        ]
        return orjson.dumps({"result": "success", "instruments": instruments})

    def opened(self, _session: Session) -> Iterable[str]:
        return ['{"event":"info","version":1}']

    def answer(self, session: Session, text: str) -> Iterable[str]:
        message = orjson.loads(text)
        session.wanted |= set(message["product_ids"])
        return [orjson.dumps({**message, "event": "subscribed"}).decode()]

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        return [
            f'{{"time":{quote.time_ms},"feed":"ticker","product_id":"{quote.market}",'
            f'"funding_rate":1.1e-9,"relative_funding_rate":0.00001,"bid":10.1,"ask":10.2,'
            f'"index":10.5,"last":10.25,"markPrice":{quote.price},"tag":"perpetual",'
            '"openInterest":1200.5,"volume":88.25,"volumeQuote":885.0}'
            for quote in quotes
            if quote.market in session.wanted
        ]
