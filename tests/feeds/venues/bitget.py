"""Bitget's frames as ccxt asks for them: `ticker` by instrument; the mark is in `info` only."""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlsplit

import orjson

from tests.feeds.venues.mock import Quote, Session


class BitgetDialect:
    """Linear perpetuals, settled in USDT."""

    has_time = True

    def __init__(self, count: int) -> None:
        self.markets: Sequence[str] = [f"C{number}USDT" for number in range(count)]

    def symbol(self, market: str) -> str:
        return f"{market.removesuffix('USDT')}/USDT:USDT"

    def listing(self, path: str) -> bytes | None:
        parts = urlsplit(path)
        if parts.path != "/api/v2/mix/market/contracts":
            return None
        linear = dict(parse_qsl(parts.query)).get("productType") == "USDT-FUTURES"
        rows = [self._contract(market) for market in self.markets] if linear else []
        return orjson.dumps({"code": "00000", "msg": "success", "data": rows})

    def _contract(self, market: str) -> dict[str, object]:
        return {
            "symbol": market,
            "baseCoin": market.removesuffix("USDT"),
            "quoteCoin": "USDT",
            "makerFeeRate": "0.0002",
            "takerFeeRate": "0.0006",
            "supportMarginCoins": ["USDT"],
            "minTradeNum": "1",
            "priceEndStep": "1",
            "volumePlace": "0",
            "pricePlace": "8",
            "sizeMultiplier": "1",
            "symbolType": "perpetual",
            "symbolStatus": "normal",
            "minLever": "1",
            "maxLever": "50",
        }

    def opened(self, _session: Session) -> Iterable[str]:
        return ()

    def answer(self, session: Session, text: str) -> Iterable[str]:
        if text == "ping":
            return ["pong"]
        message = orjson.loads(text)
        told = []
        for channel in message["args"]:
            session.wanted.add(channel["instId"])
            told.append(orjson.dumps({"event": "subscribe", "arg": channel}).decode())
        return told

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        for quote in quotes:
            if quote.market in session.wanted:
                row = {"instId": quote.market, "lastPr": quote.price, "markPrice": quote.price}
                row |= {"indexPrice": quote.price, "fundingRate": "0.000096"}
                row |= {"ts": str(quote.time_ms)}
                channel = {"instType": "USDT-FUTURES", "channel": "ticker", "instId": quote.market}
                frame = {"action": "snapshot", "arg": channel, "data": [row], "ts": quote.time_ms}
                yield orjson.dumps(frame).decode()
