"""Scenarios settled by sums in the OpenAPI document: as JSON, and by the line."""

from typing import Any

from service.api.checkup_examples import TIME_MS
from service.api.simulate_examples import SIMULATE_ANSWER

REQUEST: dict[str, Any] = {
    "accounts": "monitored",
    "settledBy": "sums",
    "funds": [{"venue": "binance", "asset": "USDT", "balance": 100}],
    "scenarios": [{"name": "a gap", "shocks": {"allPct": -12}}],
    "worst": 1,
}
_ONE = SIMULATE_ANSWER["scenarios"][0]
_WORST = {
    "id": "a1",
    "level": "BANKRUPT",
    "shortfallUsd": 120.0,
    "money": [{"asset": "USDT", "shortfall": 120.0}],
}
ANSWER: dict[str, Any] = {
    "timestamp": TIME_MS,
    "settledBy": "sums",
    "priceBasis": "mark",
    "marketIds": {"first": 7, "last": 7},
    "accounts": 2,
    "scenarios": [
        {name: _ONE[name] for name in ("name", "index", "moves", "levels")}
        | {"notionalUsd": 5280.0, "shortfallUsd": 120.0, "owedUsd": 0.0}
        | {
            "totals": [
                {name: row[name] for name in row if not name.startswith("worst")}
                for row in _ONE["totals"]
            ],
            "funds": _ONE["funds"],
            "worst": [_WORST],
            "unranked": 0,
        }
    ],
    "problems": [],
}
