"""Bybit's frames: `tickers.<symbol>`, a snapshot and then deltas, linear and inverse."""

from collections.abc import Iterable, Sequence

import orjson

from tests.feeds.venues.mock import Quote, Session


class BybitDialect:
    """Half of the markets are linear, half inverse; the linear list has two pages."""

    has_time = True

    def __init__(self, count: int) -> None:
        coins = [f"C{number}" for number in range((count + 1) // 2)]
        self._linear = [f"{coin}USDT" for coin in coins]
        self._inverse = [f"{coin}USD" for coin in coins[: count - len(coins)]]
        self.markets: Sequence[str] = [*self._linear, *self._inverse]
        self._told: dict[int, set[str]] = {}

    def symbol(self, market: str) -> str:
        coin = market.split("USD", maxsplit=1)[0]
        return f"{coin}/USDT:USDT" if market.endswith("USDT") else f"{coin}/USD:{coin}"

    def listing(self, path: str) -> bytes | None:
        if not path.startswith("/v5/market/instruments-info?category="):
            return None
        linear = "category=linear" in path
        rows = [self._contract(one) for one in (self._linear if linear else self._inverse)]
        more = linear and "cursor=" not in path
        if linear:
            rows = rows[:1] if more else rows[1:]
        rows.append({**self._contract("BTCUSDT"), "symbol": "BTC-26MAR27"})
        rows[-1]["contractType"] = "LinearFutures"
        page = {"category": "linear", "list": rows, "nextPageCursor": "second" if more else ""}
        return orjson.dumps({"retCode": 0, "retMsg": "OK", "result": page})

    def _contract(self, market: str) -> dict[str, str]:
        coin, linear = market.split("USD", maxsplit=1)[0], market.endswith("USDT")
        return {
            "symbol": market,
            "contractType": "LinearPerpetual" if linear else "InversePerpetual",
            "status": "Trading",
            "baseCoin": coin,
            "quoteCoin": "USDT" if linear else "USD",
            "settleCoin": "USDT" if linear else coin,
        }

    def opened(self, _session: Session) -> Iterable[str]:
        return ()

    def answer(self, session: Session, text: str) -> Iterable[str]:
        message = orjson.loads(text)
        if message["op"] == "ping":
            return ['{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}']
        session.wanted |= {topic.removeprefix("tickers.") for topic in message["args"]}
        return ['{"success":true,"ret_msg":"","conn_id":"c","req_id":"","op":"subscribe"}']

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        told = self._told.setdefault(id(session), set())
        frames = []
        for quote in quotes:
            if quote.market not in session.wanted:
                continue
            data = {"symbol": quote.market, "markPrice": quote.price, "indexPrice": quote.price}
            kind = "delta" if quote.market in told else "snapshot"
            if kind == "snapshot":
                data |= {"lastPrice": quote.price, "fundingRate": "-0.000212"}
                data |= {"openInterest": "373504", "openInterestValue": "15420.5"}
                data |= {"volume24h": "49337.3", "turnover24h": "2352.9"}
                told.add(quote.market)
            frame = {"topic": f"tickers.{quote.market}", "type": kind, "data": data}
            frames.append(orjson.dumps({**frame, "cs": 1, "ts": quote.time_ms}).decode())
        return frames
