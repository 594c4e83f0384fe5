"""OKX's frames: `instruments`, then `mark-price`, `index-tickers` and `funding-rate` by swap."""

from collections.abc import Iterable, Sequence

import orjson

from tests.feeds.venues.mock import Quote, Session


class OkxDialect:
    """Every other market is inverse."""

    has_time = True

    def __init__(self, count: int) -> None:
        self.markets: Sequence[str] = [
            f"C{number}-{'USD' if number % 2 else 'USDT'}-SWAP" for number in range(count)
        ]

    def symbol(self, market: str) -> str:
        base, quote, _ = market.split("-")
        return f"{base}/{quote}:{base if quote == 'USD' else quote}"

    def listing(self, _path: str) -> bytes | None:
        return None

    def opened(self, _session: Session) -> Iterable[str]:
        return ()

    def answer(self, session: Session, text: str) -> Iterable[str]:
        if text == "ping":
            return ["pong"]
        answers = []
        for arg in orjson.loads(text)["args"]:
            if arg["channel"] == "instruments":
                answers.append(_push(arg, [self._swap(one) for one in self.markets] + [_QUANTO]))
            elif arg["channel"] == "mark-price":
                session.wanted.add(arg["instId"])
            elif arg["channel"] == "index-tickers":
                answers.append(_push(arg, [{"instId": arg["instId"], "idxPx": "10.5", "ts": "1"}]))
            else:
                funding = {"instId": arg["instId"], "instType": "SWAP", "fundingRate": "0.0001875"}
                answers.append(_push(arg, [funding]))
        return answers

    def _swap(self, market: str) -> dict[str, str]:
        base, quote, _ = market.split("-")
        return {
            "instId": market,
            "instType": "SWAP",
            "uly": f"{base}-{quote}",
            "settleCcy": base if quote == "USD" else quote,
            "state": "live",
        }

    def frames(self, session: Session, quotes: Sequence[Quote]) -> Iterable[str]:
        return [
            _push(
                {"channel": "mark-price", "instId": quote.market},
                [
                    {
                        "instType": "SWAP",
                        "instId": quote.market,
                        "markPx": quote.price,
                        "ts": str(quote.time_ms),
                    }
                ],
            )
            for quote in quotes
            if quote.market in session.wanted
        ]


_QUANTO = {"instId": "Q-USD-SWAP", "uly": "Q-USD", "settleCcy": "EUR", "state": "live"}


def _push(arg: dict[str, str], data: list[dict[str, str]]) -> str:
    return orjson.dumps({"arg": arg, "data": data}).decode()
