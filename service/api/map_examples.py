"""The liquidation map in the OpenAPI document: as JSON, and by the line."""

from typing import Any

from service.api.checkup_examples import SYMBOL, TIME_MS

REQUEST: dict[str, Any] = {
    "accounts": "monitored",
    "map": {"symbol": SYMBOL, "venue": "binance", "fromPct": -10, "toPct": 10, "points": 2},
    "funds": [{"venue": "binance", "asset": "USDT", "balance": 100}],
}
_MONEY = {
    "venue": "binance",
    "asset": "USDT",
    "pools": 1,
    "longNotional": 4950.0,
    "shortNotional": 0.0,
    "shortfall": 512.475,
    "fund": 100.0,
    "deleveraged": 412.475,
    "socialised": 0.0,
    "owed": 0.0,
    "venuePays": 0.0,
    "fundAfter": 0.0,
}
_TOTALS = {
    "accounts": 1,
    "accountsShort": 1,
    "pools": 1,
    "notionalUsd": 4950.0,
    "shortfallUsd": 512.475,
    "owedUsd": 0.0,
}
ANSWER: dict[str, Any] = {
    "timestamp": TIME_MS,
    "symbol": SYMBOL,
    "venue": "binance",
    "marketIds": {"first": 7, "last": 7},
    "accounts": 1,
    "pools": 1,
    "unpricedPools": 0,
    "points": [
        {"movePct": -10.0} | _TOTALS | {"byAsset": [_MONEY]},
        {"movePct": 10.0} | dict.fromkeys(_TOTALS, 0) | {"byAsset": []},
    ],
}
LINES = ({"progress": {"done": 1, "total": 1, "accounts": 1}}, {"result": ANSWER})
