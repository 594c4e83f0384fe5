"""Hyperliquid's frames: `meta` by `post`, then `activeAssetCtx` by coin."""

from collections.abc import Iterable, Sequence

import orjson

from tests.feeds.venues.mock import Quote, Session


class HyperliquidDialect:
    """Linear all, in USDC; the frames have no time."""

    has_time = False

    def __init__(self, count: int) -> None:
        self.markets: Sequence[str] = [f"kC{number}" for number in range(count)]

    def symbol(self, market: str) -> str:
        return f"{market.upper()}/USDC:USDC"

    def listing(self, _path: str) -> bytes | None:
        return None

    def opened(self, _session: Session) -> Iterable[str]:
        return ()

    def answer(self, session: Session, text: str) -> Iterable[str]:
        message = orjson.loads(text)
        if message["method"] == "ping":
            return ['{"channel":"pong"}']
        if message["method"] == "post":
            coins: list[dict[str, object]] = [{"name": one} for one in self.markets]
            coins.append({"name": "GONE", "isDelisted": True})
            payload = {"type": "meta", "data": {"universe": coins}}
            response = {"type": "info", "payload": payload}
            return [_json({"channel": "post", "data": {"id": 1, "response": response}})]
        session.wanted.add(message["subscription"]["coin"])
        return [_json({"channel": "subscriptionResponse", "data": message})]

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        return [
            _json({"channel": "activeAssetCtx", "data": _context(quote)})
            for quote in quotes
            if quote.market in session.wanted
        ]


def _context(quote: Quote) -> dict[str, object]:
    context = {
        "dayNtlVlm": "1426126.295175",
        "dayBaseVlm": "97012.4",
        "prevDayPx": "14.7",
        "markPx": quote.price,
        "midPx": quote.price,
        "funding": "0.0000125",
        "openInterest": "688.11",
        "oraclePx": quote.price,
    }
    return {"coin": quote.market, "ctx": context}


def _json(document: object) -> str:
    return orjson.dumps(document).decode()
