"""What a service has to do all the while: marks that move a level, questions, somebody who listens.

Each is a thread of its own, so that what hangs in one says nothing of the others.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

SYMBOL, ALT = "BTC/USDT:USDT", "ETH/USDT:USDT"
PRICES = (55_000.0, 49_000.0)  # healthy and warned, in turns: every mark makes an alert
_TERMS = {"linear": True, "contractSize": 1, "quote": "USDT", "settle": "USDT", "takerFee": 0.0005}
_TIERS = [{"minNotional": 0, "maintenanceMarginRate": 0.05}]
INSTRUMENTS = [
    {"symbol": SYMBOL, "base": "BTC", "tiers": _TIERS, **_TERMS},
    {"symbol": ALT, "base": "ETH", "tiers": _TIERS, **_TERMS},
]
QUESTION = {
    "accounts": [
        {
            "id": "asked",
            "balances": [{"asset": "USDT", "amount": 20_000}],
            "positions": [{"symbol": SYMBOL, "side": "long", "contracts": 1, "entryPrice": 60_000}],
        }
    ],
    "marks": {SYMBOL: 60_000},
}


def holder(symbol: str, entry_price: float, amount: float) -> dict[str, Any]:
    """Return an account with one long contract, whose levels fall without a wait."""
    return {
        "venue": "okx",
        "balances": [{"asset": "USDT", "amount": amount}],
        "positions": [
            {"symbol": symbol, "side": "long", "contracts": 1, "entryPrice": entry_price}
        ],
        "thresholds": {"easeAfterMs": 0},
    }


class Traffic:
    """Marks while `marks_flow`, and questions, until the block ends."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.alt_price = 2_000.0
        self.marks_flow = threading.Event()
        self._ended = threading.Event()

    @contextlib.contextmanager
    def flowing(self) -> Iterator[None]:
        self.marks_flow.set()
        works = (self._post_marks, self._ask, self._listen)
        threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self.marks_flow.set()
            for thread in threads:
                thread.join(10.0)

    def _post_marks(self) -> None:
        def post(http: httpx.Client, turn: int) -> None:
            self.marks_flow.wait()
            prices = {SYMBOL: PRICES[turn % 2], ALT: self.alt_price}
            marks = [{"symbol": name, "markPrice": price} for name, price in prices.items()]
            http.post("/v1/marks", json={"marks": marks})

        self._again(0.1, post)

    def _ask(self) -> None:
        self._again(0.15, lambda http, _: http.post("/v1/evaluate", json=QUESTION))

    def _again(self, pause_s: float, call: Callable[[httpx.Client, int], object]) -> None:
        turn = 0
        with httpx.Client(base_url=self.url, timeout=2.0, trust_env=False) as http:
            while not self._ended.wait(pause_s):
                with contextlib.suppress(httpx.TransportError):
                    call(http, turn)
                turn += 1

    def _listen(self) -> None:
        """Read alerts, over a new connection whenever one has ended."""
        wanted = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": ["*"]}
        while not self._ended.wait(0.1):
            with (
                contextlib.suppress(OSError, WebSocketException, TimeoutError),
                connect(f"{self.url.replace('http', 'ws')}/v1/stream", proxy=None) as socket,
            ):
                socket.send(json.dumps(wanted))
                while not self._ended.is_set():
                    with contextlib.suppress(TimeoutError):
                        socket.recv(timeout=0.5)
