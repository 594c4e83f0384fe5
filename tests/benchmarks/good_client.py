"""One client that behaves: it evaluates an account again and again, in a process of its own.

`python -m tests.benchmarks.good_client URL`: a line for every call, its moment and its seconds,
until the process is ended. The moments are those of `time.perf_counter` here and everywhere.
"""

import http.client
import sys
import time
from urllib.parse import urlsplit

import orjson

EVERY_S = 0.01


def body() -> bytes:
    """An evaluation that needs nothing stored."""
    position = {"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 1, "entryPrice": 60_000}
    tier = {"minNotional": 0, "maintenanceMarginRate": 0.01}
    instrument = {"symbol": "BTC/USDT:USDT", "linear": True, "contractSize": 1, "base": "BTC"}
    return orjson.dumps(
        {
            "accounts": [
                {
                    "id": "a1",
                    "balances": [{"asset": "USDT", "amount": 9_000}],
                    "positions": [position],
                }
            ],
            "marks": {"BTC/USDT:USDT": 61_000},
            "instruments": [{**instrument, "quote": "USDT", "settle": "USDT", "tiers": [tier]}],
        }
    )


def main(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60.0)
    asked, headers = body(), {"Content-Type": "application/json"}
    while True:
        began = time.perf_counter()
        connection.request("POST", "/v1/evaluate", asked, headers)
        answer = connection.getresponse()
        text = answer.read()
        took_s = time.perf_counter() - began
        assert answer.status == 200, text
        print(began, took_s, flush=True)
        time.sleep(max(0.0, EVERY_S - took_s))


if __name__ == "__main__":
    main(sys.argv[1])
