"""Deribit's frames: JSON-RPC, `ticker.<instrument>.100ms`, and heartbeats that must be answered."""

from collections.abc import Iterable, Sequence

import orjson

from tests.feeds.venues.mock import Quote, Session

TEST_REQUEST = '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'


class DeribitDialect:
    """Every other market is inverse; numbers are numbers here, so NaN is no JSON."""

    has_time = True

    def __init__(self, count: int) -> None:
        self.markets: Sequence[str] = [
            f"C{number}-PERPETUAL" if number % 2 else f"C{number}_USDC-PERPETUAL"
            for number in range(count)
        ]

    def symbol(self, market: str) -> str:
        base, linear, _ = market.removesuffix("-PERPETUAL").partition("_")
        return f"{base}/USDC:USDC" if linear else f"{base}/USD:{base}"

    def listing(self, _path: str) -> bytes | None:
        return None

    def opened(self, _session: Session) -> Iterable[str]:
        return ()

    def answer(self, session: Session, text: str) -> Iterable[str]:
        message = orjson.loads(text)
        result: object = "ok"
        if message["method"] == "public/get_instruments":
            listed = [self._instrument(one) for one in self.markets]
            month = {**listed[0], "instrument_name": "C-1", "settlement_period": "month"}
            result = [*listed, month]
        elif message["method"] == "public/subscribe":
            channels: list[str] = message["params"]["channels"]
            result = channels
            session.wanted |= {channel.split(".")[1] for channel in channels}
        answer = orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).decode()
        return [answer, TEST_REQUEST] if message["method"] == "public/set_heartbeat" else [answer]

    def _instrument(self, market: str) -> dict[str, str]:
        base, linear, _ = market.removesuffix("-PERPETUAL").partition("_")
        return {
            "instrument_name": market,
            "base_currency": base,
            "quote_currency": "USDC" if linear else "USD",
            "settlement_currency": "USDC" if linear else base,
            "settlement_period": "perpetual",
        }

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        return [_ticker(quote) for quote in quotes if quote.market in session.wanted]


def _ticker(quote: Quote) -> str:
    return (
        '{"jsonrpc":"2.0","method":"subscription","params":'
        f'{{"channel":"ticker.{quote.market}.100ms","data":{{"timestamp":{quote.time_ms},'
        f'"instrument_name":"{quote.market}","mark_price":{quote.price},"index_price":10.5,'
        '"last_price":10.25,"current_funding":0.00001,"funding_8h":0.00002,"state":"open",'
        '"open_interest":1200.5,"stats":{"volume":88.25,"volume_usd":885.0}}}}'
    )
